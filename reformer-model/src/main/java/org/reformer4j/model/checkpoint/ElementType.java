package org.reformer4j.model.checkpoint;

import java.nio.ByteBuffer;
import org.reformer4j.api.Bfloat16;

/** Types of elements in checkpoints, under the names that safetensors files use. */
enum ElementType {
  F64(8, Kind.REAL),
  F32(4, Kind.REAL),
  F16(2, Kind.REAL),
  BF16(2, Kind.REAL),
  I64(8, Kind.INTEGER),
  I32(4, Kind.INTEGER),
  I16(2, Kind.INTEGER),
  I8(1, Kind.INTEGER),
  U64(8, Kind.INTEGER),
  U32(4, Kind.INTEGER),
  U16(2, Kind.INTEGER),
  U8(1, Kind.INTEGER),
  BOOL(1, Kind.INTEGER),
  /** Known so that files with it can be opened; its values cannot be read. */
  F8_E4M3(1, Kind.OPAQUE),
  /** Known so that files with it can be opened; its values cannot be read. */
  F8_E5M2(1, Kind.OPAQUE);

  /** What the values can be read as. */
  enum Kind {
    REAL,
    INTEGER,
    OPAQUE
  }

  private final int bytes;
  private final Kind kind;

  ElementType(int bytes, Kind kind) {
    this.bytes = bytes;
    this.kind = kind;
  }

  /** Returns the size of an element. */
  int bytes() {
    return bytes;
  }

  Kind kind() {
    return kind;
  }

  /**
   * Returns the type of that name, or null if there is none.
   *
   * @param name value of {@code dtype}
   */
  static ElementType of(String name) {
    for (ElementType type : values()) {
      if (type.name().equals(name)) {
        return type;
      }
    }
    return null;
  }

  /**
   * Returns a value of kind REAL; all but F64 fit a float exactly.
   *
   * @param data little-endian
   * @param at offset in bytes
   */
  double real(ByteBuffer data, int at) {
    return switch (this) {
      case F64 -> data.getDouble(at);
      case F32 -> data.getFloat(at);
      case F16 -> Float16.fromBits(data.getShort(at));
      case BF16 -> Bfloat16.fromBits(data.getShort(at));
      default -> throw new IllegalStateException(this + " holds no real numbers");
    };
  }

  /**
   * Returns a value of kind INTEGER.
   *
   * @param data little-endian
   * @param at offset in bytes
   * @throws ArithmeticException if it is outside the range of a long, or of a BOOL
   */
  long integer(ByteBuffer data, int at) {
    return switch (this) {
      case I64 -> data.getLong(at);
      case I32 -> data.getInt(at);
      case I16 -> data.getShort(at);
      case I8 -> data.get(at);
      case U64 -> inRange(data.getLong(at), Long.MAX_VALUE);
      case U32 -> Integer.toUnsignedLong(data.getInt(at));
      case U16 -> Short.toUnsignedInt(data.getShort(at));
      case U8 -> Byte.toUnsignedInt(data.get(at));
      case BOOL -> inRange(Byte.toUnsignedInt(data.get(at)), 1);
      default -> throw new IllegalStateException(this + " holds no integers");
    };
  }

  /**
   * Reads values of kind REAL, those of F64 rounded.
   *
   * @param data the elements from offset 0 on, little-endian
   * @param values receives them
   * @param from where in {@code values}
   * @param count how many
   */
  void floats(ByteBuffer data, float[] values, int from, int count) {
    if (this == F32) {
      data.asFloatBuffer().get(values, from, count);
      return;
    }
    for (int i = 0; i < count; i++) {
      values[from + i] = (float) real(data, i * bytes);
    }
  }

  /**
   * Reads values of kind REAL.
   *
   * @param data the elements from offset 0 on, little-endian
   * @param values receives them
   * @param from where in {@code values}
   * @param count how many
   */
  void doubles(ByteBuffer data, double[] values, int from, int count) {
    for (int i = 0; i < count; i++) {
      values[from + i] = real(data, i * bytes);
    }
  }

  /**
   * Reads values of kind INTEGER.
   *
   * @param data the elements from offset 0 on, little-endian
   * @param values receives them
   * @param from where in {@code values}
   * @param count how many
   * @throws ArithmeticException if one is outside the range of a long, or of a BOOL
   */
  void longs(ByteBuffer data, long[] values, int from, int count) {
    for (int i = 0; i < count; i++) {
      values[from + i] = integer(data, i * bytes);
    }
  }

  private long inRange(long value, long most) {
    if (value < 0 || value > most) {
      throw new ArithmeticException(Long.toUnsignedString(value) + " is outside 0 .. " + most);
    }
    return value;
  }
}
