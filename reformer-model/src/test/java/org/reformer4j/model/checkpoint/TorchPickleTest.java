package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

/** Pickles operation by operation: only those of a table of tensors are carried out. */
class TorchPickleTest {
  private static final int MOST_BYTES = 1000;

  private static Map<String, TorchTensor> read(byte[] pickle) {
    return TorchPickle.read(pickle, MOST_BYTES, new Problems(Path.of("f.bin")));
  }

  private static String refusal(byte[] pickle) {
    String message = assertThrows(CheckpointException.class, () -> read(pickle)).getMessage();
    assertTrue(message.startsWith("f.bin is not usable"), message);
    assertTrue(message.length() < 2_000, message);
    return message;
  }

  private static PickleBytes pickle() {
    return new PickleBytes();
  }

  private static int[] of(int... values) {
    return values;
  }

  @Test
  void readsATable() {
    byte[] pickle =
        pickle()
            .op('}')
            .text("a")
            .tensor(6, 1, of(2, 2), of(1, 3))
            .op('s')
            .op('(')
            .text("b")
            .tensor(6, 0, of(), of())
            .text("c")
            .tensor(6, 0, of(6), of(1))
            .op('u')
            .stop();
    Map<String, TorchTensor> tensors = read(pickle);
    assertEquals("[a, b, c]", tensors.keySet().toString());
    TorchTensor a = tensors.get("a");
    assertEquals(Shape.of(2, 2), a.shape());
    assertArrayEquals(new long[] {1, 3}, a.strides());
    assertEquals(1, a.offset());
    assertEquals(5, a.span());
    assertTrue(tensors.get("c").isContiguous());
    assertEquals(tensors.get("b").storage(), a.storage());
  }

  static Stream<Arguments> harmful() {
    return Stream.of(
        Arguments.of("'os.system'", pickle().global("os", "system").text("id").op(0x85).op('R')),
        Arguments.of("'builtins.eval'", pickle().text("builtins").text("eval").op(0x93)),
        Arguments.of("'a?b.c'", pickle().global("a\tb", "c")),
        Arguments.of("'torch.FloatStorage.x'", pickle().global("torch.FloatStorage", "x")),
        Arguments.of("'builtins.getattr'", pickle().global("builtins", "getattr")),
        Arguments.of("'exceptions.Exception'", pickle().global("exceptions", "Exception")),
        // Instances by other operations than a call.
        Arguments.of("operation 0x69", pickle().ops("(ios\nsystem\n")),
        Arguments.of("operation 0x6f", pickle().op('(').global("torch", "FloatStorage").op('o')),
        Arguments.of(
            "operation 0x81", pickle().global("collections", "OrderedDict").op(')').op(0x81)),
        Arguments.of("operation 0x82", pickle().op(0x82).op(1)),
        Arguments.of("operation 0x92", pickle().op(0x92)),
        Arguments.of("operation 0x97", pickle().op(0x97)),
        // Persistent ids in text, lists, sets, bytes, old numbers: not written by torch.
        Arguments.of("operation 0x50", pickle().ops("Px\n")),
        Arguments.of("operation 0x5d", pickle().op(']')),
        Arguments.of("operation 0x8f", pickle().op(0x8F)),
        Arguments.of("operation 0x42", pickle().op('B').int4(0x7FFFFFFF)),
        Arguments.of("operation 0x54", pickle().op('T').int4(0x7FFFFFFF)),
        Arguments.of("operation 0x8b", pickle().op(0x8B).int4(0x7FFFFFFF)),
        Arguments.of("operation 0x49", pickle().ops("I1\n")),
        Arguments.of("operation 0xff", pickle().op(0xFF)),
        Arguments.of("sets the state", pickle().number(1).op('N').op('b')),
        Arguments.of("sets the state", pickle().global("torch", "FloatStorage").op('N').op('b')),
        Arguments.of("than a storage", pickle().text("x").op('Q')),
        Arguments.of("than a storage", pickle().tuple(1, 2, 3, 4, 5).op('Q')),
        Arguments.of(
            "with other arguments", pickle().global("collections", "OrderedDict").tuple(1).op('R')),
        Arguments.of(
            "with other arguments",
            pickle().global("torch._utils", "_rebuild_tensor_v2").op(')').op('R')),
        Arguments.of(
            "without a storage",
            pickle().global("torch._utils", "_rebuild_tensor_v2").tuple(1, 2, 3, 4, 5, 6).op('R')),
        Arguments.of("damaged", pickle().global("torch", "FloatStorage").op(')').op('R')),
        Arguments.of("operation 0x30", pickle().ops("N0")),
        Arguments.of("a name that is no text", pickle().op('}').number(1).number(2).op('s')),
        Arguments.of("a name that is no text", pickle().ops("}}Ns")),
        Arguments.of("a class by something", pickle().number(1).number(2).op(0x93)),
        Arguments.of("damaged", pickle().op('s')),
        Arguments.of("damaged", pickle().op('h').op(7)),
        Arguments.of("damaged", pickle().op('t')),
        Arguments.of("damaged", pickle().op(0x80).op(9)));
  }

  @ParameterizedTest
  @MethodSource("harmful")
  void whateverElseIsRefused(String part, PickleBytes pickle) {
    String message = refusal(pickle.stop());
    assertTrue(message.contains(part), message);
  }

  @Test
  void rootsAndEntriesAreTensors() {
    assertTrue(refusal(pickle().number(1).stop()).contains("no table of tensors"));
    assertTrue(refusal(pickle().tensor(1, 0, of(), of()).stop()).contains("no table"));
    assertTrue(refusal(pickle().stop()).contains("damaged"));
    byte[] many = pickle().ops("}").text("x").number(1).ops("s").text("y").ops("Ns").stop();
    String message = refusal(many);
    assertTrue(message.contains("'x' is no tensor"), message);
    assertTrue(message.contains("'y' is no tensor"), message);
    byte[] twice =
        pickle()
            .ops("}")
            .text("x")
            .tensor(1, 0, of(), of())
            .ops("s")
            .text("x")
            .tensor(1, 0, of(), of())
            .ops("s")
            .stop();
    assertTrue(refusal(twice).contains("'x' twice"));
  }

  static Stream<Arguments> views() {
    return Stream.of(
        Arguments.of(6, -1, of(1), of(1), "inside"),
        Arguments.of(6, 6, of(1), of(1), "inside"),
        Arguments.of(6, 5, of(2), of(1), "inside"),
        Arguments.of(6, 0, of(-1), of(1), "inside"),
        Arguments.of(6, 5, of(2), of(-1), "inside"),
        Arguments.of(6, 0, of(2, 3), of(Integer.MAX_VALUE, 1), "inside"),
        Arguments.of(0, 0, of(), of(), "inside"),
        Arguments.of(6, 0, of(1, 2), of(1), "2 extents and 1 strides"),
        Arguments.of(6, 0, new int[40], new int[40], "40 extents"),
        // 1000 bytes are 250 floats.
        Arguments.of(6, 0, of(251), of(0), "clone()"),
        Arguments.of(6, 0, of(Integer.MAX_VALUE, Integer.MAX_VALUE), of(0, 0), "clone()"),
        Arguments.of(
            6,
            0,
            of(Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE),
            of(0, 0, 0),
            "inside"));
  }

  @ParameterizedTest
  @MethodSource("views")
  void viewsStayInsideTheirStorage(int stored, int offset, int[] size, int[] strides, String part) {
    byte[] pickle = pickle().op('}').text("t").tensor(stored, offset, size, strides).op('s').stop();
    String message = refusal(pickle);
    assertTrue(message.contains("'t'"), message);
    assertTrue(message.contains(part), message);
  }

  @Test
  void viewsWithinTheBoundAreRead() {
    byte[] pickle =
        pickle()
            .op('}')
            .text("repeated")
            .tensor(6, 5, of(250), of(0))
            .op('s')
            .text("empty")
            .tensor(6, 9, of(0, 7), of(1, 1))
            .op('s')
            .stop();
    assertEquals(250, read(pickle).get("repeated").shape().elements());
    assertEquals(0, read(pickle).get("empty").span());
  }

  @Test
  void statedLengthsAreNotAllocated() {
    com.sun.management.ThreadMXBean memory =
        (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (PickleBytes pickle :
        new PickleBytes[] {
          pickle().op('X').int4(Integer.MAX_VALUE),
          pickle().op('X').int4(-1),
          pickle().op('X').int4(20),
          pickle().op('X'),
          pickle().op(0x8D).int4(Integer.MAX_VALUE).int4(0),
          pickle().op(0x8D).int4(0).int4(-1),
        }) {
      long before = memory.getThreadAllocatedBytes(Thread.currentThread().getId());
      assertTrue(refusal(pickle.stop()).contains("damaged: a text of"));
      long allocated = memory.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
      assertTrue(allocated < 1 << 18, allocated + " bytes");
    }
  }

  @Test
  void endlessProgramsEnd() {
    byte[] pickle = new byte[8_000_001];
    Arrays.fill(pickle, (byte) 'N');
    assertTrue(refusal(pickle).contains("more than 8000000 operations"));
  }

  @Test
  void everyTruncationIsRefused() {
    byte[] whole = pickle().op('}').text("t").tensor(6, 0, of(2, 3), of(3, 1)).op('s').stop();
    read(whole);
    for (int n = 0; n < whole.length; n++) {
      refusal(Arrays.copyOf(whole, n));
    }
  }
}
