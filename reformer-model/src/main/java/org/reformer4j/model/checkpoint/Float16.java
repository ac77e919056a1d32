package org.reformer4j.model.checkpoint;

/**
 * IEEE 754's binary16, which checkpoints may hold: 1 bit of sign, 5 of the exponent, 10 of the
 * fraction.
 */
final class Float16 {
  /** The first magnitude that rounds to infinity: half a step above the largest number, 65504. */
  private static final float OVERFLOW = 65520f;

  private static final float SMALLEST_NORMAL = 0x1p-14f;
  private static final int INFINITY = 0x7C00;
  private static final int QUIET_NAN = 0x7E00;

  private Float16() {}

  /** Returns the value of 16 bits, which a float holds exactly. */
  static float fromBits(short bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = bits >>> 10 & 0x1F;
    int fraction = bits & 0x3FF;
    if (exponent == 0) {
      return sign == 0 ? fraction * 0x1p-24f : -(fraction * 0x1p-24f);
    }
    int wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
    return Float.intBitsToFloat(sign | wide << 23 | fraction << 13);
  }

  /** Rounds to nearest, halves to even; what exceeds 65504 by half a step becomes infinite. */
  static short toBits(float value) {
    int sign = Float.floatToRawIntBits(value) >>> 16 & 0x8000;
    float magnitude = Math.abs(value);
    if (Float.isNaN(value)) {
      return (short) (sign | QUIET_NAN);
    }
    if (magnitude >= OVERFLOW) {
      return (short) (sign | INFINITY);
    }
    if (magnitude < SMALLEST_NORMAL) {
      // Steps of 2^-24; all of them are numbers of a float, so that only rint rounds.
      return (short) (sign | (int) Math.rint(magnitude * 0x1p24f));
    }
    int bits = Float.floatToRawIntBits(magnitude) - (127 - 15 << 23);
    int odd = bits >>> 13 & 1;
    // A carry out of the fraction goes into the exponent, as it should.
    return (short) (sign | bits + 0xFFF + odd >>> 13);
  }
}
