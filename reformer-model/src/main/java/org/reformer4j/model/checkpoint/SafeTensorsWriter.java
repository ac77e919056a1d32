package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

/**
 * Writer of a safetensors file. Tensors stand in the file in the order in which they are added, so
 * equal content gives equal bytes; the data of each is asked for only when its turn comes.
 */
public final class SafeTensorsWriter {
  private static final int BUFFER_BYTES = 1 << 20;

  /** Copies a run of elements into a buffer. */
  private interface Copy<A> {
    void put(ByteBuffer buffer, A data, int from, int count);
  }

  /** How elements of a type leave an array. */
  private record Format<A>(ElementType type, Copy<A> copy) {
    static final Format<float[]> F32 =
        new Format<>(ElementType.F32, (b, data, i, n) -> b.asFloatBuffer().put(data, i, n));
    static final Format<float[]> F16 =
        new Format<>(ElementType.F16, (b, data, i, n) -> halves(ElementType.F16, b, data, i, n));
    static final Format<float[]> BF16 =
        new Format<>(ElementType.BF16, (b, data, i, n) -> halves(ElementType.BF16, b, data, i, n));
    static final Format<double[]> F64 =
        new Format<>(ElementType.F64, (b, data, i, n) -> b.asDoubleBuffer().put(data, i, n));
    static final Format<long[]> I64 =
        new Format<>(ElementType.I64, (b, data, i, n) -> b.asLongBuffer().put(data, i, n));
    static final Format<int[]> I32 =
        new Format<>(ElementType.I32, (b, data, i, n) -> b.asIntBuffer().put(data, i, n));

    static Format<float[]> of(WeightType type) {
      return switch (type) {
        case FLOAT32 -> F32;
        case FLOAT16 -> F16;
        case BFLOAT16 -> BF16;
      };
    }

    /** Rounds to 16 bits; a number that would become infinite has no place there. */
    private static void halves(ElementType type, ByteBuffer b, float[] data, int from, int count) {
      for (int i = 0; i < count; i++) {
        float value = data[from + i];
        b.putShort(2 * i, type == ElementType.F16 ? Float16.toBits(value) : Bfloat16.toBits(value));
        if (Float.isFinite(value) && !Double.isFinite(type.real(b, 2 * i))) {
          throw new ArithmeticException(value + " exceeds the largest number of " + type);
        }
      }
    }
  }

  private record Source<A>(Shape shape, Format<A> format, Supplier<A> data) {
    long bytes() {
      return Math.multiplyExact(shape.elements(), (long) format.type().bytes());
    }

    void write(String name, ByteBuffer buffer, FileChannel channel) throws IOException {
      A array = data.get();
      int count = array == null ? -1 : Array.getLength(array);
      if (count != shape.elements()) {
        throw new CheckpointException(
            "the supplier of tensor "
                + Problems.quote(name)
                + " of shape "
                + shape
                + " gave "
                + (array == null ? "null" : count + " elements"));
      }
      int step = BUFFER_BYTES / format.type().bytes();
      for (int done = 0; done < count; ) {
        int n = Math.min(step, count - done);
        try {
          format.copy().put(buffer.clear(), array, done, n);
        } catch (ArithmeticException e) {
          throw new CheckpointException(
              "tensor " + Problems.quote(name) + ": " + e.getMessage() + "; choose another type",
              e);
        }
        writeFully(channel, buffer.limit(n * format.type().bytes()));
        done += n;
      }
    }
  }

  private final SortedMap<String, String> metadata = new TreeMap<>();
  private final Map<String, Source<?>> sources = new LinkedHashMap<>();

  /** Creates a writer without tensors. */
  public SafeTensorsWriter() {}

  /**
   * Sets a string beside the tensors, replacing the one of that key.
   *
   * @param key what it is
   * @param value the string
   * @throws IllegalArgumentException if either has half of a surrogate pair
   */
  public SafeTensorsWriter metadata(String key, String value) {
    metadata.put(encodable(key), encodable(value));
    return this;
  }

  /**
   * Adds a tensor of F32.
   *
   * @param name name of the tensor
   * @param shape extents
   * @param data gives all elements, row by row
   * @throws IllegalArgumentException if the name is taken, reserved or no Unicode
   */
  public SafeTensorsWriter floats(String name, Shape shape, Supplier<float[]> data) {
    return add(name, new Source<>(shape, Format.F32, data));
  }

  /**
   * Adds a tensor of F32, F16 or BF16.
   *
   * @param name name of the tensor
   * @param shape extents
   * @param type what the elements are rounded to
   * @param data gives all elements, row by row; finite ones must stay finite
   * @throws IllegalArgumentException if the name is taken, reserved or no Unicode
   */
  public SafeTensorsWriter floats(
      String name, Shape shape, WeightType type, Supplier<float[]> data) {
    return add(name, new Source<>(shape, Format.of(type), data));
  }

  /**
   * Adds a tensor of F64.
   *
   * @param name name of the tensor
   * @param shape extents
   * @param data gives all elements, row by row
   * @throws IllegalArgumentException if the name is taken, reserved or no Unicode
   */
  public SafeTensorsWriter doubles(String name, Shape shape, Supplier<double[]> data) {
    return add(name, new Source<>(shape, Format.F64, data));
  }

  /**
   * Adds a tensor of I64.
   *
   * @param name name of the tensor
   * @param shape extents
   * @param data gives all elements, row by row
   * @throws IllegalArgumentException if the name is taken, reserved or no Unicode
   */
  public SafeTensorsWriter longs(String name, Shape shape, Supplier<long[]> data) {
    return add(name, new Source<>(shape, Format.I64, data));
  }

  /**
   * Adds a tensor of I32.
   *
   * @param name name of the tensor
   * @param shape extents
   * @param data gives all elements, row by row
   * @throws IllegalArgumentException if the name is taken, reserved or no Unicode
   */
  public SafeTensorsWriter ints(String name, Shape shape, Supplier<int[]> data) {
    return add(name, new Source<>(shape, Format.I32, data));
  }

  /**
   * Writes the file as {@link AtomicFiles#write} does: whole or not at all. What a supplier throws
   * comes through, and the file of that name is then as it was.
   *
   * @param path file to write
   * @throws CheckpointException if the file cannot be written, a supplier gives another number of
   *     elements than its shape says, or a number exceeds its type
   */
  public void write(Path path) {
    byte[] header = header();
    AtomicFiles.write(
        path,
        channel -> {
          ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
          writeFully(channel, buffer.putLong(header.length).flip());
          writeFully(channel, ByteBuffer.wrap(header));
          for (Map.Entry<String, Source<?>> source : sources.entrySet()) {
            source.getValue().write(source.getKey(), buffer, channel);
          }
        });
  }

  private SafeTensorsWriter add(String name, Source<?> source) {
    if (name.equals(SafeTensorsHeader.METADATA)) {
      throw new IllegalArgumentException(name + " is reserved; use metadata(key, value)");
    }
    if (sources.putIfAbsent(encodable(name), source) != null) {
      throw new IllegalArgumentException(
          "tensor " + Problems.quote(name) + " was added before; give each its own name");
    }
    return this;
  }

  /** Half of a surrogate pair has no UTF-8; written anyway it would come back as another name. */
  private static String encodable(String text) {
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw new IllegalArgumentException(
          Problems.quote(text) + " has half of a surrogate pair; use valid Unicode");
    }
    return text;
  }

  private byte[] header() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = StrictJson.FACTORY.createGenerator(bytes)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(SafeTensorsHeader.METADATA);
        for (Map.Entry<String, String> entry : metadata.entrySet()) {
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      long begin = 0;
      for (Map.Entry<String, Source<?>> entry : sources.entrySet()) {
        Source<?> source = entry.getValue();
        long[] offsets = {begin, Math.addExact(begin, source.bytes())};
        json.writeObjectFieldStart(entry.getKey());
        json.writeStringField("dtype", source.format().type().name());
        json.writeFieldName("shape");
        json.writeArray(source.shape().dims(), 0, source.shape().rank());
        json.writeFieldName("data_offsets");
        json.writeArray(offsets, 0, offsets.length);
        json.writeEndObject();
        begin = offsets[1];
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new CheckpointException("the header cannot be written: " + e, e);
    }
    while (bytes.size() % Long.BYTES != 0) {
      bytes.write(' ');
    }
    if (bytes.size() > SafeTensorsHeader.MOST_BYTES
        || Math.max(sources.size(), metadata.size()) >= SafeTensorsHeader.MOST_ENTRIES) {
      throw new CheckpointException(
          "a header of "
              + bytes.size()
              + " bytes with "
              + sources.size()
              + " tensors exceeds the limits of the format; write several files");
    }
    return bytes.toByteArray();
  }

  private static void writeFully(FileChannel channel, ByteBuffer data) throws IOException {
    while (data.hasRemaining()) {
      channel.write(data);
    }
  }
}
