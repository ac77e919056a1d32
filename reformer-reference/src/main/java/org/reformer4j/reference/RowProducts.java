package org.reformer4j.reference;

/**
 * The inner loop of every matrix product here: c_i += sum_k a[i][k] * b[k].
 *
 * <p>Each element of c is one chain of fused multiply-adds in the order of k, whatever the blocking
 * around it, so that blocking and threads change no bit. Rows are separate arrays because the JIT
 * does not vectorise over a flat array with offsets; four rows by two terms is the body that C2
 * vectorises best on JDK 17 and 25 alike: others of the same size stay scalar and are four times
 * slower on one of them (docs/benchmarks.md).
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
    for (; i + 4 <= rows; i += 4) {
      int k = 0;
      for (; k + 2 <= terms; k += 2) {
        fourByTwo(
            c[i],
            c[i + 1],
            c[i + 2],
            c[i + 3],
            b[k],
            b[k + 1],
            a[i][k],
            a[i][k + 1],
            a[i + 1][k],
            a[i + 1][k + 1],
            a[i + 2][k],
            a[i + 2][k + 1],
            a[i + 3][k],
            a[i + 3][k + 1],
            columns);
      }
      for (; k < terms; k++) {
        for (int r = i; r < i + 4; r++) {
          one(c[r], a[r][k], b[k], columns);
        }
      }
    }
    for (; i < rows; i++) {
      single(c[i], a[i], b, terms, columns);
    }
  }

  private static void fourByTwo(
      float[] c0,
      float[] c1,
      float[] c2,
      float[] c3,
      float[] b0,
      float[] b1,
      float a00,
      float a01,
      float a10,
      float a11,
      float a20,
      float a21,
      float a30,
      float a31,
      int columns) {
    for (int j = 0; j < columns; j++) {
      float x0 = b0[j];
      float x1 = b1[j];
      c0[j] = Math.fma(a01, x1, Math.fma(a00, x0, c0[j]));
      c1[j] = Math.fma(a11, x1, Math.fma(a10, x0, c1[j]));
      c2[j] = Math.fma(a21, x1, Math.fma(a20, x0, c2[j]));
      c3[j] = Math.fma(a31, x1, Math.fma(a30, x0, c3[j]));
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
