package org.reformer4j.reference;

import java.util.Arrays;

/**
 * Products of the rotations of one head with a token in integers: q = rint(x * 2^(13-E)), E the
 * exponent of the largest |x|, then sums of q * r in int32, below 2^28. Used by one thread.
 */
final class IntegerHash {
  static final int MAX_HEAD_SIZE = 128;

  private static final int FRACTION = 13;
  private static final int LIMIT = 1 << FRACTION + 1;
  private static final int LEAST_EXPONENT = -114;
  private static final int BIAS = 127;
  private static final int MANTISSA_BITS = 23;

  private final int size;
  private final int columns;
  private final int[][] rotations;
  private final int[] sums;

  /**
   * Takes the rotations of a head.
   *
   * @param rotations [R*columns, K] from {@code at} on
   */
  IntegerHash(byte[] rotations, int at, int size, int columns) {
    this.size = size;
    this.columns = columns;
    this.sums = new int[columns];
    this.rotations = new int[size][columns];
    for (int c = 0; c < columns; c++) {
      for (int k = 0; k < size; k++) {
        this.rotations[k][c] = rotations[at + c * size + k];
      }
    }
  }

  /** Writes the product of the token at x[at..at+K) with every column. */
  void product(double[] out, float[] x, int at) {
    float scale = scale(x, at);
    Arrays.fill(sums, 0);
    for (int k = 0; k < size; k++) {
      int q = quantised(x[at + k], scale);
      int[] r = rotations[k];
      for (int c = 0; c < columns; c++) {
        sums[c] += q * r[c];
      }
    }
    for (int c = 0; c < columns; c++) {
      out[c] = sums[c];
    }
  }

  /** Returns 2^(13-E); with E at least -114 it is a normal float. */
  private float scale(float[] x, int at) {
    float largest = 0;
    for (int k = 0; k < size; k++) {
      float magnitude = Math.abs(x[at + k]);
      // False for NaN.
      if (magnitude > largest) {
        largest = magnitude;
      }
    }
    int exponent =
        Math.max((Float.floatToRawIntBits(largest) >>> MANTISSA_BITS) - BIAS, LEAST_EXPONENT);
    return Float.intBitsToFloat(BIAS + FRACTION - exponent << MANTISSA_BITS);
  }

  private static int quantised(float x, float scale) {
    // A cast of NaN is 0.
    return (int) Math.max(-LIMIT, Math.min(LIMIT, Math.rint(x * scale)));
  }
}
