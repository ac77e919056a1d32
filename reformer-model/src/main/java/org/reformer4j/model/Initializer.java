package org.reformer4j.model;

/**
 * How a parameter starts: {@code value + standardDeviation * N(0, 1)}.
 *
 * @param value the mean
 * @param standardDeviation 0 for a constant
 */
public record Initializer(float value, float standardDeviation) {
  /** All zeros. */
  public static final Initializer ZEROS = new Initializer(0f, 0f);

  /** All ones. */
  public static final Initializer ONES = new Initializer(1f, 0f);

  /**
   * Normal numbers around 0.
   *
   * @param standardDeviation their standard deviation
   */
  public static Initializer normal(double standardDeviation) {
    return new Initializer(0f, (float) standardDeviation);
  }
}
