package org.reformer4j.model.checkpoint;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

/**
 * Reader of a safetensors file of any size. The header is checked in full when the file is opened;
 * data is read when it is asked for. The file is open only during a call.
 */
public final class SafeTensors implements StoredTensors {
  /**
   * One tensor of the file.
   *
   * @param name name of the tensor
   * @param dtype type of the elements, as in the file: F32, I64 ...
   * @param shape extents
   * @param begin first byte, counted from the end of the header
   * @param end byte behind the last one, counted from the end of the header
   */
  public record Entry(String name, String dtype, Shape shape, long begin, long end)
      implements StoredTensors.Entry {}

  private final Path path;
  private final DataFile file;
  private final long dataStart;
  private final Map<String, String> metadata;
  private final Map<String, Entry> entries;

  private SafeTensors(Path path, DataFile file, long dataStart, SafeTensorsHeader header) {
    this.path = path;
    this.file = file;
    this.dataStart = dataStart;
    this.metadata = Collections.unmodifiableMap(header.metadata());
    this.entries = header.entries();
  }

  /**
   * Reads and checks the header of a file.
   *
   * @param path a safetensors file
   * @throws CheckpointException if it cannot be read or is not valid; the message lists everything
   *     that is wrong: the JSON, and for each tensor its dtype, shape and range, overlaps, bytes
   *     that belong to no tensor
   */
  public static SafeTensors open(Path path) {
    // Opening a pipe would wait for its other end.
    if (!Files.isRegularFile(path)) {
      throw new CheckpointException(path + " does not exist or is no regular file");
    }
    try {
      DataFile file = new DataFile(path);
      Problems problems = new Problems(path);
      long length = headerLength(file, problems);
      problems.throwIfAny();
      long dataStart = Long.BYTES + length;
      try (InputStream json = new BufferedInputStream(file.stream(Long.BYTES, length), 1 << 16)) {
        SafeTensorsHeader header = SafeTensorsHeader.read(json, file.size() - dataStart, problems);
        problems.throwIfAny();
        return new SafeTensors(path, file, dataStart, header);
      }
    } catch (IOException e) {
      throw new CheckpointException(path + " cannot be read: " + e, e);
    }
  }

  private static long headerLength(DataFile file, Problems problems) throws IOException {
    byte[] bytes;
    try (InputStream start = file.stream(0, Long.BYTES)) {
      bytes = start.readNBytes(Long.BYTES);
    }
    if (bytes.length < Long.BYTES) {
      problems.add("the file has " + bytes.length + " bytes, too few for a header");
      return 0;
    }
    long length = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    long most = Math.min(SafeTensorsHeader.MOST_BYTES, file.size() - Long.BYTES);
    if (length < 0 || length > most) {
      problems.add(
          "the header claims "
              + Long.toUnsignedString(length)
              + " bytes but can have at most "
              + most
              + (most < SafeTensorsHeader.MOST_BYTES
                  ? " in this file; it is truncated or no safetensors file"
                  : " in this format"));
    }
    return length;
  }

  /** Returns the names of all tensors, in the order of the header. */
  @Override
  public List<String> names() {
    return List.copyOf(entries.keySet());
  }

  /** Returns the strings beside the tensors; empty if there are none. */
  public Map<String, String> metadata() {
    return metadata;
  }

  @Override
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  /**
   * Returns type, shape and place of a tensor.
   *
   * @param name name of the tensor
   * @throws CheckpointException if there is none
   */
  @Override
  public Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new CheckpointException(path + " has no tensor " + Problems.quote(name));
    }
    return entry;
  }

  @Override
  public float[] floats(String name) {
    float[] values = new float[EntryChecks.arrayLength(path, entry(name))];
    floats(name, 0, values, 0, values.length);
    return values;
  }

  /**
   * Reads a run of elements of a tensor of F32, F16, BF16 or F64, the last rounded.
   *
   * @param name name of the tensor
   * @param first index of the first element in the tensor
   * @param values receives the elements
   * @param from where in {@code values} they begin
   * @param count how many
   * @throws IndexOutOfBoundsException if the run is not inside tensor and array
   * @throws CheckpointException if there is no such tensor, its type is another, or the file cannot
   *     be read or has changed
   */
  public void floats(String name, long first, float[] values, int from, int count) {
    ElementType type = type(name, ElementType.Kind.REAL);
    Objects.checkFromIndexSize(from, count, values.length);
    read(name, first, count, (data, done, n) -> type.floats(data, values, from + done, n));
  }

  @Override
  public double[] doubles(String name) {
    ElementType type = type(name, ElementType.Kind.REAL);
    double[] values = new double[EntryChecks.arrayLength(path, entry(name))];
    read(name, 0, values.length, (data, done, n) -> type.doubles(data, values, done, n));
    return values;
  }

  @Override
  public long[] longs(String name) {
    ElementType type = type(name, ElementType.Kind.INTEGER);
    long[] values = new long[EntryChecks.arrayLength(path, entry(name))];
    read(name, 0, values.length, (data, done, n) -> type.longs(data, values, done, n));
    return values;
  }

  /**
   * Returns the elements of a tensor of I64, I32, I16, I8, U64, U32, U16, U8 or BOOL (0 or 1).
   *
   * @param name name of the tensor
   * @throws CheckpointException if there is none, its type is another, a value is out of the range
   *     of an int, it exceeds an array, or the file cannot be read or has changed
   */
  public int[] ints(String name) {
    ElementType type = type(name, ElementType.Kind.INTEGER);
    int[] values = new int[EntryChecks.arrayLength(path, entry(name))];
    read(
        name,
        0,
        values.length,
        (data, done, n) -> {
          for (int i = 0; i < n; i++) {
            values[done + i] = Math.toIntExact(type.integer(data, i * type.bytes()));
          }
        });
    return values;
  }

  private ElementType type(String name, ElementType.Kind kind) {
    return EntryChecks.type(path, entry(name), kind);
  }

  private void read(String name, long first, int count, DataFile.Sink sink) {
    Entry entry = entry(name);
    Objects.checkFromIndexSize(first, count, entry.shape().elements());
    int bytes = ElementType.of(entry.dtype()).bytes();
    try {
      file.read(dataStart + entry.begin() + first * bytes, bytes, count, sink);
    } catch (ArithmeticException e) {
      throw new CheckpointException(
          path + ": tensor " + Problems.quote(name) + " has a value out of range: " + e, e);
    }
  }
}
