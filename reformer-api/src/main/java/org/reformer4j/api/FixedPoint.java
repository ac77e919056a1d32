package org.reformer4j.api;

/**
 * The format of {@link DType#FIXED}: value = integer * 2^-{@value DType#FRACTION_BITS}, between
 * -2048 and 2048. Sums of such numbers are exact, so a residual step can be taken back bit for bit.
 * This class is the definition: every backend must give the same integers.
 */
public final class FixedPoint {
  private static final float SCALE = 1 << DType.FRACTION_BITS;
  private static final float LIMIT = 1 << 31 - DType.FRACTION_BITS;

  private FixedPoint() {}

  /**
   * Rounds to the nearest step, halves to even. What lies outside of the range becomes the nearest
   * number of the range, NaN becomes 0.
   *
   * @param value any float
   * @return the integer
   */
  public static int fromFloat(float value) {
    // The product is exact unless it overflows, and a cast to int saturates.
    return (int) Math.rint(value * SCALE);
  }

  /**
   * Returns whether a value lies strictly between -2048 and 2048, where {@link #fromFloat}
   * saturates neither it nor its negative.
   *
   * @param value any float; NaN gives false
   */
  public static boolean inRange(float value) {
    return Math.abs(value) < LIMIT;
  }

  /**
   * Returns the error of a stream that left its range.
   *
   * @param op the operation on it
   * @param place what it belonged to, as {@link Backend#place} was told, or empty
   * @param stream the stream in words, type and shape
   */
  public static BackendException leftRange(String op, String place, String stream) {
    return new BackendException(
        op,
        0,
        false,
        op
            + ": "
            + (place.isEmpty() ? "" : "in " + place + ": ")
            + "the fixed-point stream "
            + stream
            + " left its range of +-2048 or got a NaN and was saturated, so this step cannot be taken"
            + " back: discard it, and use float streams (residual_arithmetic float), smaller weights"
            + " or a lower learning rate");
  }

  /**
   * Returns the value of an integer, rounded to the nearest float, halves to even: integers of more
   * than 24 bits have no exact one.
   *
   * @param bits what {@link #fromFloat} returned
   */
  public static float toFloat(int bits) {
    return bits / SCALE;
  }

  /**
   * Returns the exact value of an integer.
   *
   * @param bits what {@link #fromFloat} returned
   */
  public static double toDouble(int bits) {
    return bits / (double) SCALE;
  }
}
