package org.reformer4j.api;

/**
 * The format of {@link DType#BF16}: the upper half of a binary32, rounded to nearest, halves to
 * even. This class is the definition: every backend must give the same bits.
 */
public final class Bfloat16 {
  /** What every NaN becomes, as in CUDA's conversion. */
  private static final short NAN = 0x7fff;

  private Bfloat16() {}

  /**
   * Rounds a float. What exceeds the largest finite number by half a step becomes infinite, every
   * NaN becomes 0x7fff.
   *
   * @param value any float
   * @return the 16 bits
   */
  public static short toBits(float value) {
    if (Float.isNaN(value)) {
      return NAN;
    }
    int bits = Float.floatToRawIntBits(value);
    int odd = bits >>> 16 & 1;
    return (short) (bits + 0x7fff + odd >>> 16);
  }

  /**
   * Returns the value of 16 bits, which a float holds exactly.
   *
   * @param bits what {@link #toBits} returned
   */
  public static float fromBits(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
