package org.reformer4j.reference;

import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** Sum of squares in double: one sum per block of a row, then the blocks in order. */
final class SumOfSquares {
  /** Columns of a block: a row may be all parameters of a model. */
  private static final int BLOCK = 16384;

  private SumOfSquares() {}

  static double run(Workers workers, Tensor x) {
    TrainingArguments.sumOfSquares(x);
    FloatRows rows = FloatRows.of(x);
    int blocks = (rows.columns + BLOCK - 1) / BLOCK;
    double[] sums = new double[Math.multiplyExact(rows.rows, blocks)];
    workers.forRange(
        sums.length,
        Math.max(1, 4096 / Math.max(1, rows.columns)),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            int first = i % blocks * BLOCK;
            sums[i] = sum(rows.data, rows.at(i / blocks) + first, rows.columns - first);
          }
        });
    double total = 0;
    for (double sum : sums) {
      total += sum;
    }
    return total;
  }

  private static double sum(float[] data, int from, int count) {
    double sum = 0;
    int end = from + Math.min(BLOCK, count);
    for (int i = from; i < end; i++) {
      sum += (double) data[i] * data[i];
    }
    return sum;
  }
}
