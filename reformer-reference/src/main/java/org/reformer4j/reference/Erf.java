package org.reformer4j.reference;

/**
 * The error function to about 1e-13: a table on a grid of 1/128 and the Taylor series of order four
 * around the nearest node.
 */
final class Erf {
  private static final int STEPS = 128;
  private static final double LIMIT = 6.0;
  private static final double TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);
  private static final double[] VALUES = table();
  private static final double[] SLOPES = slopes();

  private Erf() {}

  static double of(double x) {
    double t = Math.abs(x);
    if (t >= LIMIT) {
      return Math.signum(x);
    }
    int node = (int) (t * STEPS + 0.5);
    double x0 = (double) node / STEPS;
    double d = t - x0;
    double cubic = d * (-2 * x0 * x0 + 3) * x0 / 6;
    double series = d * (1 + d * (-x0 + d * ((2 * x0 * x0 - 1) / 3 + cubic)));
    double value = VALUES[node] + SLOPES[node] * series;
    return x < 0 ? -value : value;
  }

  /** Returns the derivative, 2/sqrt(pi) exp(-x^2), to about 1e-9 of its largest value. */
  static double slope(double x) {
    double t = Math.abs(x);
    if (t >= LIMIT) {
      return 0;
    }
    int node = (int) (t * STEPS + 0.5);
    double x0 = (double) node / STEPS;
    double d = t - x0;
    double cubic = d * (-2 * x0 * x0 + 3) * x0 * (2.0 / 3);
    return SLOPES[node] * (1 + d * (-2 * x0 + d * ((2 * x0 * x0 - 1) + cubic)));
  }

  /** erf(x) = 2/sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (1*3*...*(2n+1)): all positive. */
  private static double[] table() {
    double[] values = new double[(int) (LIMIT * STEPS) + 2];
    for (int i = 0; i < values.length; i++) {
      double x = (double) i / STEPS;
      double term = x;
      double sum = x;
      for (int n = 1; term > sum * 1e-18; n++) {
        term *= 2 * x * x / (2 * n + 1);
        sum += term;
      }
      values[i] = TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum;
    }
    return values;
  }

  private static double[] slopes() {
    double[] slopes = new double[VALUES.length];
    for (int i = 0; i < slopes.length; i++) {
      double x = (double) i / STEPS;
      slopes[i] = TWO_OVER_ROOT_PI * Math.exp(-x * x);
    }
    return slopes;
  }
}
