package org.reformer4j.reference;

/**
 * c = alpha * a * b^T + beta * c for few rows, as in decoding: every row of b is used so few times
 * that copying it first would cost most of the time. The bits are those of {@link Gemm}: one chain
 * of fused multiply-adds for each element, in the order of k.
 */
final class FewRows {
  /** Rows up to which b is read where it stands. */
  static final int LIMIT = 4;

  private FewRows() {}

  /** Computes the columns {@code from}..{@code to-1} of all rows. */
  static void run(
      FloatRows c, FloatRows a, FloatRows b, float alpha, float beta, int from, int to) {
    int terms = a.columns;
    float[] row = new float[terms];
    for (int i = 0; i < c.rows; i++) {
      for (int k = 0; k < terms; k++) {
        row[k] = a.data[a.at(i) + k] * alpha;
      }
      int target = c.at(i);
      for (int j = from; j < to; j++) {
        // What is there is not read where it does not count: it may be anything.
        c.data[target + j] = beta == 0f ? 0f : c.data[target + j] * beta;
      }
      int j = from;
      for (; j + 8 <= to; j += 8) {
        eight(c.data, target + j, row, b, j);
      }
      for (; j < to; j++) {
        float sum = c.data[target + j];
        int at = b.at(j);
        for (int k = 0; k < terms; k++) {
          sum = Math.fma(row[k], b.data[at + k], sum);
        }
        c.data[target + j] = sum;
      }
    }
  }

  /** Eight independent chains hide each other's latency. */
  private static void eight(float[] c, int at, float[] row, FloatRows b, int j) {
    float[] data = b.data;
    int b0 = b.at(j);
    int b1 = b.at(j + 1);
    int b2 = b.at(j + 2);
    int b3 = b.at(j + 3);
    int b4 = b.at(j + 4);
    int b5 = b.at(j + 5);
    int b6 = b.at(j + 6);
    int b7 = b.at(j + 7);
    float s0 = c[at];
    float s1 = c[at + 1];
    float s2 = c[at + 2];
    float s3 = c[at + 3];
    float s4 = c[at + 4];
    float s5 = c[at + 5];
    float s6 = c[at + 6];
    float s7 = c[at + 7];
    for (int k = 0; k < row.length; k++) {
      float x = row[k];
      s0 = Math.fma(x, data[b0 + k], s0);
      s1 = Math.fma(x, data[b1 + k], s1);
      s2 = Math.fma(x, data[b2 + k], s2);
      s3 = Math.fma(x, data[b3 + k], s3);
      s4 = Math.fma(x, data[b4 + k], s4);
      s5 = Math.fma(x, data[b5 + k], s5);
      s6 = Math.fma(x, data[b6 + k], s6);
      s7 = Math.fma(x, data[b7 + k], s7);
    }
    c[at] = s0;
    c[at + 1] = s1;
    c[at + 2] = s2;
    c[at + 3] = s3;
    c[at + 4] = s4;
    c[at + 5] = s5;
    c[at + 6] = s6;
    c[at + 7] = s7;
  }
}
