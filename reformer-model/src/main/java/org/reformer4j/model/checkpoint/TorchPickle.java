package org.reformer4j.model.checkpoint;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.razorvine.pickle.IObjectConstructor;
import net.razorvine.pickle.Opcodes;
import net.razorvine.pickle.PickleUtils;
import net.razorvine.pickle.Unpickler;
import org.reformer4j.api.CheckpointException;

/**
 * Reads the pickle of a torch file as a table of tensors and as nothing else. A pickle is a program
 * that may name any class. Here only what {@code torch.save} writes for a {@code state_dict} is
 * carried out: a few operations, on the names of {@link #NAMES}. Everything else is refused and
 * named.
 *
 * <p>The lengths that the program states are compared with what is left of it before anything is
 * allocated, so that memory and time are at most proportional to its length.
 */
final class TorchPickle extends Unpickler {
  /** Bounds the memory that a pickle can ask for: 100 thousand tensors take fewer. */
  private static final int MOST_OPERATIONS = 8_000_000;

  private static final String CONVERT =
      "; save the state_dict alone: torch.save(model.state_dict(), ...)";

  /** Names of a pickle and what they stand for: a function, or the type of a storage. */
  private static final Map<String, Object> NAMES =
      Map.ofEntries(
          Map.entry("collections.OrderedDict", constructor(TorchPickle::table)),
          Map.entry("torch._utils._rebuild_tensor_v2", constructor(TorchPickle::tensor)),
          Map.entry("torch._utils._rebuild_parameter", constructor(TorchPickle::parameter)),
          Map.entry("torch.DoubleStorage", ElementType.F64),
          Map.entry("torch.FloatStorage", ElementType.F32),
          Map.entry("torch.HalfStorage", ElementType.F16),
          Map.entry("torch.BFloat16Storage", ElementType.BF16),
          Map.entry("torch.LongStorage", ElementType.I64),
          Map.entry("torch.IntStorage", ElementType.I32),
          Map.entry("torch.ShortStorage", ElementType.I16),
          Map.entry("torch.CharStorage", ElementType.I8),
          Map.entry("torch.ByteStorage", ElementType.U8),
          Map.entry("torch.BoolStorage", ElementType.BOOL));

  /** A Python dict; a class of its own, so that nothing else passes for one. */
  private static final class Table {
    final Map<String, Object> entries = new LinkedHashMap<>();
  }

  private final ByteArrayInputStream bytes;
  private int operations;

  private TorchPickle(ByteArrayInputStream bytes) {
    this.bytes = bytes;
  }

  /**
   * Reads a pickle.
   *
   * @param pickle all of it
   * @param mostBytes what a single tensor may take
   * @param problems receives what is wrong
   * @return the tensors by name, in the order of the pickle
   * @throws CheckpointException if it is no table of tensors
   */
  static Map<String, TorchTensor> read(byte[] pickle, long mostBytes, Problems problems) {
    ByteArrayInputStream bytes = new ByteArrayInputStream(pickle);
    Object root;
    try {
      root = new TorchPickle(bytes).load(bytes);
    } catch (Refusal e) {
      problems.add(e.getMessage());
      throw problems.exception(e);
    } catch (IOException | RuntimeException e) {
      // The library reports damage by whatever exception it runs into.
      problems.add("its pickle is damaged: " + e);
      throw problems.exception(e);
    }
    if (!(root instanceof Table table)) {
      problems.add("its pickle holds no table of tensors" + CONVERT);
      throw problems.exception(null);
    }
    Map<String, TorchTensor> tensors = new LinkedHashMap<>();
    table.entries.forEach(
        (name, value) -> {
          if (value instanceof TorchTensor.View view) {
            tensors.put(name, view.check(name, mostBytes, problems));
          } else {
            problems.add("its entry " + Problems.quote(name) + " is no tensor" + CONVERT);
          }
        });
    problems.throwIfAny();
    return tensors;
  }

  /** A pickle that does what a table of tensors does not need. */
  private static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refusal(String message) {
      super(message);
    }
  }

  @Override
  protected Object dispatch(short key) throws IOException {
    if (++operations > MOST_OPERATIONS) {
      throw new Refusal("its pickle has more than " + MOST_OPERATIONS + " operations");
    }
    if (carryOut(key)) {
      return NO_RETURN_VALUE;
    }
    return switch (key) {
      case Opcodes.BINUNICODE -> {
        requireLeft(Integer.BYTES);
        yield super.dispatch(key);
      }
      case Opcodes.BINUNICODE8 -> {
        requireLeft(Long.BYTES);
        yield super.dispatch(key);
      }
      case Opcodes.BINGET,
          Opcodes.BINFLOAT,
          Opcodes.BININT,
          Opcodes.BININT1,
          Opcodes.BININT2,
          Opcodes.BINPERSID,
          Opcodes.BINPUT,
          Opcodes.EMPTY_TUPLE,
          Opcodes.FRAME,
          Opcodes.LONG1,
          Opcodes.LONG_BINGET,
          Opcodes.LONG_BINPUT,
          Opcodes.MARK,
          Opcodes.MEMOIZE,
          Opcodes.NEWFALSE,
          Opcodes.NEWTRUE,
          Opcodes.NONE,
          Opcodes.PROTO,
          Opcodes.REDUCE,
          Opcodes.SHORT_BINUNICODE,
          Opcodes.STOP,
          Opcodes.TUPLE,
          Opcodes.TUPLE1,
          Opcodes.TUPLE2,
          Opcodes.TUPLE3 ->
          super.dispatch(key);
      default ->
          throw new Refusal(
              String.format(
                  "its pickle has the operation 0x%02x, which no table of tensors needs%s",
                  key, CONVERT));
    };
  }

  /** Carries out what the library would do with classes and maps of its own choice. */
  private boolean carryOut(short key) throws IOException {
    switch (key) {
      case Opcodes.GLOBAL -> {
        String module = PickleUtils.readline(bytes);
        push(module, PickleUtils.readline(bytes));
      }
      case Opcodes.STACK_GLOBAL -> {
        String name = text(stack.pop());
        push(text(stack.pop()), name);
      }
      case Opcodes.EMPTY_DICT -> stack.add(new Table());
      case Opcodes.SETITEM -> {
        Object value = stack.pop();
        Object name = stack.pop();
        put((Table) stack.peek(), name, value);
      }
      case Opcodes.SETITEMS -> {
        List<Object> items = stack.pop_all_since_marker();
        for (int i = 0; i < items.size(); i += 2) {
          put((Table) stack.peek(), items.get(i), items.get(i + 1));
        }
      }
      case Opcodes.BUILD -> {
        // Attributes of an OrderedDict: the versions of modules, which mean nothing here.
        stack.pop();
        if (!(stack.peek() instanceof Table)) {
          throw new Refusal("its pickle sets the state of an object" + CONVERT);
        }
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  /** Pushes what a name stands for. */
  private void push(String module, String name) {
    String full = module + "." + name;
    Object meaning = NAMES.get(full);
    if (meaning == null) {
      throw new Refusal(
          "its pickle names "
              + Problems.quote(full)
              + ", which is no part of a table of tensors; it was not run, but Python may run it:"
              + " take such a file only from those whom you trust, and load it there and save the"
              + " state_dict alone");
    }
    stack.add(meaning);
  }

  /** Refuses a length that exceeds the rest of the pickle; the library would allocate it. */
  private void requireLeft(int lengthBytes) {
    byte[] length = new byte[Long.BYTES];
    bytes.mark(0);
    int read = bytes.read(length, 0, lengthBytes);
    int left = bytes.available();
    bytes.reset();
    long stated = ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (read < lengthBytes || stated < 0 || stated > left) {
      throw new Refusal(
          "its pickle is damaged: a text of "
              + Long.toUnsignedString(stated)
              + " bytes where "
              + left
              + " are left");
    }
  }

  @Override
  protected Object persistentLoad(Object id) {
    // ('storage', type, key, device, elements)
    if (id instanceof Object[] parts
        && parts.length == 5
        && "storage".equals(parts[0])
        && parts[1] instanceof ElementType type
        && parts[2] instanceof String key) {
      return new TorchTensor.Storage(key, type, number(parts[4]));
    }
    throw new Refusal("its pickle refers to something else than a storage");
  }

  private static IObjectConstructor constructor(IObjectConstructor constructor) {
    return constructor;
  }

  private static Object table(Object[] args) {
    require(args.length == 0, "collections.OrderedDict");
    return new Table();
  }

  /** storage, offset, size, strides, requires_grad, backward_hooks and perhaps metadata. */
  private static Object tensor(Object[] args) {
    String name = "torch._utils._rebuild_tensor_v2";
    require(args.length == 6 || args.length == 7, name);
    if (args[0] instanceof TorchTensor.Storage storage) {
      return new TorchTensor.View(storage, number(args[1]), numbers(args[2]), numbers(args[3]));
    }
    throw new Refusal(name + " is called without a storage");
  }

  /** data, requires_grad, backward_hooks. */
  private static Object parameter(Object[] args) {
    require(args.length == 3, "torch._utils._rebuild_parameter");
    return args[0];
  }

  private static void require(boolean holds, String name) {
    if (!holds) {
      throw new Refusal("its pickle calls " + name + " with other arguments than torch gives it");
    }
  }

  private static void put(Table table, Object name, Object value) {
    if (!(name instanceof String text)) {
      throw new Refusal("its pickle has a name that is no text" + CONVERT);
    }
    if (table.entries.put(text, value) != null) {
      throw new Refusal("its pickle has the name " + Problems.quote(text) + " twice");
    }
  }

  private static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw new Refusal("its pickle names a class by something that is no text");
  }

  private static long number(Object value) {
    if (value instanceof Integer || value instanceof Long) {
      return ((Number) value).longValue();
    }
    throw new Refusal("its pickle has something else than an integer for a size");
  }

  private static long[] numbers(Object value) {
    if (!(value instanceof Object[] values)) {
      throw new Refusal("its pickle has something else than a tuple of sizes");
    }
    long[] numbers = new long[values.length];
    for (int i = 0; i < values.length; i++) {
      numbers[i] = number(values[i]);
    }
    return numbers;
  }
}
