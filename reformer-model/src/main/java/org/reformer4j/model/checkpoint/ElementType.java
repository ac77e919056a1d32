package org.reformer4j.model.checkpoint;

import java.nio.ByteBuffer;

/** Types of elements in safetensors files, under the names used there. */
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
      case F16 -> half(data.getShort(at));
      case BF16 -> Float.intBitsToFloat(data.getShort(at) << 16);
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

  private long inRange(long value, long most) {
    if (value < 0 || value > most) {
      throw new ArithmeticException(Long.toUnsignedString(value) + " is outside 0 .. " + most);
    }
    return value;
  }

  private static float half(short bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = bits >>> 10 & 0x1F;
    int fraction = bits & 0x3FF;
    if (exponent == 0) {
      return sign == 0 ? fraction * 0x1p-24f : -(fraction * 0x1p-24f);
    }
    int wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
    return Float.intBitsToFloat(sign | wide << 23 | fraction << 13);
  }
}
