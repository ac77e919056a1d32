package org.reformer4j.reference;

/**
 * The inner loop of every matrix product here: c_i += sum_k a[i][k] * b[k].
 *
 * <p>Each element of c is one chain of fused multiply-adds in the order of k, whatever the blocking
 * around it, so that blocking and threads change no bit. Rows are separate arrays because the JIT
 * does not vectorise over a flat array with offsets; two rows by four terms is the largest body
 * that C2 vectorises on JDK 17 and 25 alike (docs/benchmarks.md).
 */
final class RowProducts {
  private RowProducts() {}

  /**
   * Adds a product to a block: c[i][0..columns) += sum over k &lt; terms of a[i][k] * b[k].
   *
   * @param c [rows][at least columns]
   * @param a [rows][at least terms]
   * @param b [terms][at least columns]
   */
  static void accumulate(float[][] c, float[][] a, float[][] b, int rows, int terms, int columns) {
    int i = 0;
    for (; i + 2 <= rows; i += 2) {
      pair(c[i], c[i + 1], a[i], a[i + 1], b, terms, columns);
    }
    if (i < rows) {
      single(c[i], a[i], b, terms, columns);
    }
  }

  private static void pair(
      float[] c, float[] d, float[] a, float[] e, float[][] b, int terms, int columns) {
    int k = 0;
    for (; k + 4 <= terms; k += 4) {
      pairOfFour(
          c, d, a[k], a[k + 1], a[k + 2], a[k + 3], e[k], e[k + 1], e[k + 2], e[k + 3], b[k],
          b[k + 1], b[k + 2], b[k + 3], columns);
    }
    for (; k < terms; k++) {
      one(c, a[k], b[k], columns);
      one(d, e[k], b[k], columns);
    }
  }

  private static void pairOfFour(
      float[] c,
      float[] d,
      float a0,
      float a1,
      float a2,
      float a3,
      float e0,
      float e1,
      float e2,
      float e3,
      float[] b0,
      float[] b1,
      float[] b2,
      float[] b3,
      int columns) {
    for (int j = 0; j < columns; j++) {
      float x0 = b0[j];
      float x1 = b1[j];
      float x2 = b2[j];
      float x3 = b3[j];
      c[j] = Math.fma(a3, x3, Math.fma(a2, x2, Math.fma(a1, x1, Math.fma(a0, x0, c[j]))));
      d[j] = Math.fma(e3, x3, Math.fma(e2, x2, Math.fma(e1, x1, Math.fma(e0, x0, d[j]))));
    }
  }

  private static void single(float[] c, float[] a, float[][] b, int terms, int columns) {
    int k = 0;
    for (; k + 4 <= terms; k += 4) {
      four(c, a[k], a[k + 1], a[k + 2], a[k + 3], b[k], b[k + 1], b[k + 2], b[k + 3], columns);
    }
    for (; k < terms; k++) {
      one(c, a[k], b[k], columns);
    }
  }

  private static void four(
      float[] c,
      float a0,
      float a1,
      float a2,
      float a3,
      float[] b0,
      float[] b1,
      float[] b2,
      float[] b3,
      int columns) {
    for (int j = 0; j < columns; j++) {
      c[j] =
          Math.fma(a3, b3[j], Math.fma(a2, b2[j], Math.fma(a1, b1[j], Math.fma(a0, b0[j], c[j]))));
    }
  }

  private static void one(float[] c, float a, float[] b, int columns) {
    for (int j = 0; j < columns; j++) {
      c[j] = Math.fma(a, b[j], c[j]);
    }
  }

  /** Sets the first rows and columns of a block to zero. */
  static void clear(float[][] block, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      java.util.Arrays.fill(block[i], 0, columns, 0f);
    }
  }

  /** Writes the transpose: to[j][i] = from[i][j]. */
  static void transpose(float[][] to, float[][] from, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
      float[] row = from[i];
      for (int j = 0; j < columns; j++) {
        to[j][i] = row[j];
      }
    }
  }
}
