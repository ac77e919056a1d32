package org.reformer4j.model.checkpoint;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.reformer4j.api.CheckpointException;

/**
 * Reader of a {@code state_dict} that {@code torch.save} wrote, such as Hugging Face's {@code
 * pytorch_model.bin}: a zip archive of a pickle and storages. Nothing of the pickle is run, see
 * {@link TorchPickle}. The file is open only during a call.
 *
 * <p>Checksums are not compared, as torch does not either: it can be told not to write them.
 */
public final class TorchFile implements StoredTensors {
  private static final byte[] ZIP = {'P', 'K', 3, 4};

  /** How the files of torch before 1.6 begin: a pickle of protocol 2 with a long of 10 bytes. */
  private static final byte[] LEGACY = {(byte) 0x80, 2, (byte) 0x8A, 10};

  /** Longest pickle; that of a model with 100 thousand tensors is shorter. */
  private static final long MOST_PICKLE_BYTES = 32 << 20;

  /** More files in the archive than tensors of any model; each read looks through all of them. */
  private static final int MOST_FILES = 20_000;

  private final Path path;
  private final DataFile file;
  private final String prefix;
  private final Map<String, TorchTensor> tensors;

  private TorchFile(Path path, DataFile file, String prefix, Map<String, TorchTensor> tensors) {
    this.path = path;
    this.file = file;
    this.prefix = prefix;
    this.tensors = tensors;
  }

  /**
   * Reads and checks everything but the elements.
   *
   * @param path a file that {@code torch.save} wrote
   * @throws CheckpointException if it cannot be read, has the format of torch before 1.6, or holds
   *     anything else than a table of tensors; the message says which class or which tensors
   */
  public static TorchFile open(Path path) {
    if (!Files.isRegularFile(path)) {
      throw new CheckpointException(path + " does not exist or is no regular file");
    }
    Problems problems = new Problems(path);
    try {
      DataFile file = new DataFile(path);
      checkKind(file, problems);
      try (ZipFile zip = new ZipFile(path.toFile(), StandardCharsets.UTF_8)) {
        String prefix = prefix(zip, problems);
        byte[] pickle = pickle(zip, prefix, problems);
        Map<String, TorchTensor> tensors = TorchPickle.read(pickle, file.size(), problems);
        tensors.values().stream()
            .map(TorchTensor::storage)
            .distinct()
            .forEach(storage -> checkStorage(zip, prefix, storage, problems));
        problems.throwIfAny();
        return new TorchFile(path, file, prefix, tensors);
      }
    } catch (ZipException | IllegalArgumentException e) {
      problems.add("its zip archive is truncated or damaged: " + e.getMessage());
      throw problems.exception(e);
    } catch (IOException e) {
      throw new CheckpointException(path + " cannot be read: " + e, e);
    }
  }

  private static void checkKind(DataFile file, Problems problems) throws IOException {
    byte[] start;
    try (InputStream stream = file.stream(0, ZIP.length)) {
      start = stream.readNBytes(ZIP.length);
    }
    if (Arrays.equals(start, LEGACY)) {
      problems.add(
          "it has the format of torch before 1.6; convert it with Python: import torch;"
              + " torch.save(torch.load('FILE', map_location='cpu', weights_only=True),"
              + " 'pytorch_model.bin')");
    } else if (!Arrays.equals(start, ZIP)) {
      problems.add("it is no file of torch: it does not begin as a zip archive does");
    }
    problems.throwIfAny();
  }

  /** Returns the name of the folder in the archive, with its slash. */
  private static String prefix(ZipFile zip, Problems problems) throws IOException {
    if (zip.size() > MOST_FILES) {
      problems.add("its zip archive has more than " + MOST_FILES + " files");
      throw problems.exception(null);
    }
    List<String> pickles =
        zip.stream()
            .map(ZipEntry::getName)
            .filter(name -> name.matches("[^/]+/data\\.pkl"))
            .toList();
    if (pickles.size() != 1) {
      problems.add("its zip archive is none of torch: it has " + pickles.size() + " data.pkl");
      throw problems.exception(null);
    }
    String prefix = pickles.get(0).substring(0, pickles.get(0).indexOf('/') + 1);
    ZipEntry order = zip.getEntry(prefix + "byteorder");
    if (order != null) {
      try (InputStream stream = zip.getInputStream(order)) {
        String text = new String(stream.readNBytes(16), StandardCharsets.US_ASCII);
        if (!text.equals("little")) {
          problems.add(
              "its byte order is " + Problems.quote(text) + "; save it on a little-endian machine");
        }
      }
    }
    if (zip.getEntry(prefix + "constants.pkl") != null) {
      problems.add("it is a program (TorchScript); save the state_dict of the model instead");
    }
    problems.throwIfAny();
    return prefix;
  }

  private static byte[] pickle(ZipFile zip, String prefix, Problems problems) throws IOException {
    ZipEntry entry = zip.getEntry(prefix + "data.pkl");
    if (!isStored(entry) || entry.getSize() > MOST_PICKLE_BYTES) {
      problems.add(
          "its data.pkl of "
              + entry.getSize()
              + " bytes is compressed or longer than "
              + MOST_PICKLE_BYTES);
      throw problems.exception(null);
    }
    try (InputStream stream = zip.getInputStream(entry)) {
      return stream.readAllBytes();
    }
  }

  private static boolean isStored(ZipEntry entry) {
    return entry.getMethod() == ZipEntry.STORED && entry.getCompressedSize() == entry.getSize();
  }

  private static void checkStorage(
      ZipFile zip, String prefix, TorchTensor.Storage storage, Problems problems) {
    ZipEntry entry = zip.getEntry(prefix + "data/" + storage.key());
    String name = "storage " + Problems.quote(storage.key());
    if (entry == null) {
      problems.add(name + " is missing in the archive");
    } else if (!isStored(entry)) {
      problems.add(name + " is compressed, which torch does not do");
    } else if (storage.elements() < 0
        || storage.elements() > Long.MAX_VALUE / storage.type().bytes()
        || storage.elements() * storage.type().bytes() != entry.getSize()) {
      problems.add(
          name
              + " should have "
              + storage.elements()
              + " elements of "
              + storage.type()
              + " but takes "
              + entry.getSize()
              + " bytes");
    }
  }

  /** Returns the names of all tensors, in the order of the pickle. */
  @Override
  public List<String> names() {
    return List.copyOf(tensors.keySet());
  }

  @Override
  public boolean contains(String name) {
    return tensors.containsKey(name);
  }

  @Override
  public StoredTensors.Entry entry(String name) {
    return tensor(name);
  }

  @Override
  public float[] floats(String name) {
    ElementType type = EntryChecks.type(path, tensor(name), ElementType.Kind.REAL);
    float[] values = new float[EntryChecks.arrayLength(path, tensor(name))];
    read(tensor(name), (data, done, n) -> type.floats(data, values, done, n));
    return values;
  }

  @Override
  public double[] doubles(String name) {
    ElementType type = EntryChecks.type(path, tensor(name), ElementType.Kind.REAL);
    double[] values = new double[EntryChecks.arrayLength(path, tensor(name))];
    read(tensor(name), (data, done, n) -> type.doubles(data, values, done, n));
    return values;
  }

  @Override
  public long[] longs(String name) {
    ElementType type = EntryChecks.type(path, tensor(name), ElementType.Kind.INTEGER);
    long[] values = new long[EntryChecks.arrayLength(path, tensor(name))];
    read(tensor(name), (data, done, n) -> type.longs(data, values, done, n));
    return values;
  }

  private TorchTensor tensor(String name) {
    TorchTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(path + " has no tensor " + Problems.quote(name));
    }
    return tensor;
  }

  /** Gives all elements of a tensor to a sink, row by row. */
  private void read(TorchTensor tensor, DataFile.Sink sink) {
    if (tensor.shape().elements() == 0) {
      return;
    }
    try (ZipFile zip = new ZipFile(path.toFile(), StandardCharsets.UTF_8)) {
      file.requireUnchanged();
      ZipEntry entry = zip.getEntry(prefix + "data/" + tensor.storage().key());
      try (InputStream storage = zip.getInputStream(entry)) {
        storage.skipNBytes(tensor.offset() * tensor.storage().type().bytes());
        if (tensor.isContiguous()) {
          readRun(tensor, storage, sink);
        } else {
          readView(tensor, storage, sink);
        }
      }
    } catch (IOException e) {
      throw new CheckpointException(path + " cannot be read: " + e, e);
    } catch (ArithmeticException e) {
      throw new CheckpointException(
          path + ": tensor " + Problems.quote(tensor.name()) + " has a value out of range: " + e,
          e);
    }
  }

  private static void readRun(TorchTensor tensor, InputStream storage, DataFile.Sink sink)
      throws IOException {
    int bytes = tensor.storage().type().bytes();
    long count = tensor.shape().elements();
    ByteBuffer buffer = buffer(count, bytes);
    for (long done = 0; done < count; ) {
      int n = (int) Math.min(buffer.capacity() / bytes, count - done);
      readFully(storage, buffer.array(), n * bytes);
      sink.accept(buffer.clear().limit(n * bytes), (int) done, n);
      done += n;
    }
  }

  /** Reads what the view spans, and picks its elements from there. */
  private void readView(TorchTensor tensor, InputStream storage, DataFile.Sink sink)
      throws IOException {
    int bytes = tensor.storage().type().bytes();
    if (tensor.span() > Integer.MAX_VALUE / bytes - 1) {
      throw new CheckpointException(
          path
              + ": tensor "
              + Problems.quote(tensor.name())
              + " is a view of more than 2 GiB; save contiguous() of it");
    }
    byte[] span = new byte[(int) tensor.span() * bytes];
    readFully(storage, span, span.length);
    long count = tensor.shape().elements();
    ByteBuffer buffer = buffer(count, bytes);
    long[] index = new long[tensor.shape().rank()];
    int at = 0;
    for (long done = 0; done < count; ) {
      int n = (int) Math.min(buffer.capacity() / bytes, count - done);
      buffer.clear();
      for (int i = 0; i < n; i++) {
        buffer.put(span, at * bytes, bytes);
        at += next(tensor, index);
      }
      sink.accept(buffer.flip(), (int) done, n);
      done += n;
    }
  }

  /** Moves an index to the next element and returns how far that is in the storage. */
  private static int next(TorchTensor tensor, long[] index) {
    long step = 0;
    for (int axis = index.length - 1; axis >= 0; axis--) {
      step += tensor.strides()[axis];
      if (++index[axis] < tensor.shape().dim(axis)) {
        return (int) step;
      }
      step -= tensor.strides()[axis] * tensor.shape().dim(axis);
      index[axis] = 0;
    }
    return (int) step;
  }

  private static ByteBuffer buffer(long count, int bytes) {
    int most = DataFile.BUFFER_BYTES / bytes;
    return ByteBuffer.allocate((int) Math.min(most, count) * bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void readFully(InputStream from, byte[] into, int count) throws IOException {
    if (from.readNBytes(into, 0, count) < count) {
      throw new EOFException("the file ends inside a storage");
    }
  }
}
