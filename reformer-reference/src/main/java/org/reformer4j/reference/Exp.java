package org.reformer4j.reference;

/** Exponentials of many numbers at once, and other functions that java.lang.Math lacks. */
final class Exp {
  private static final double SCALE = 1.0 / 1024;

  private Exp() {}

  /**
   * Replaces numbers that are at most 0 by their exponentials; below about -87 the result is 0.
   *
   * <p>exp(x) = exp(x/1024)^1024: a polynomial and ten squarings, which the JIT vectorises where it
   * leaves Math.exp scalar. Relative error below 1e-12 down to -40.
   */
  static void ofNonPositive(double[] x, int n) {
    for (int i = 0; i < n; i++) {
      double r = Math.max(x[i], -100.0) * SCALE;
      double p = Math.fma(r, 1.0 / 5040, 1.0 / 720);
      p = Math.fma(p, r, 1.0 / 120);
      p = Math.fma(p, r, 1.0 / 24);
      p = Math.fma(p, r, 1.0 / 6);
      p = Math.fma(p, r, 0.5);
      p = Math.fma(p, r, 1.0);
      p = Math.fma(p, r, 1.0);
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      p *= p;
      // Without a bit of effect on larger values, and no denormal floats, which are slow.
      x[i] = Math.max(p - 0x1p-126, 0.0);
    }
  }

  /**
   * Writes p = softmax(x) and returns the log-sum-exp.
   *
   * @param x overwritten; minus infinity for what does not count
   * @param high the largest of x, finite
   */
  static double softmax(float[] p, double[] x, double high, int n) {
    for (int i = 0; i < n; i++) {
      x[i] -= high;
    }
    ofNonPositive(x, n);
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += x[i];
    }
    double inverse = 1 / sum;
    for (int i = 0; i < n; i++) {
      p[i] = (float) (x[i] * inverse);
    }
    return high + Math.log(sum);
  }

  /** Returns log(exp(a) + exp(b)); minus infinity is log 0. */
  static double logAdd(double a, double b) {
    double high = Math.max(a, b);
    if (high == Double.NEGATIVE_INFINITY) {
      return high;
    }
    return high + Math.log1p(Math.exp(Math.min(a, b) - high));
  }
}
