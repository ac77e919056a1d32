package org.reformer4j.reference;

import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** Sum of squares in double: one sum per row, then the rows in order. */
final class SumOfSquares {
  private SumOfSquares() {}

  static double run(Workers workers, Tensor x) {
    TrainingArguments.sumOfSquares(x);
    FloatRows rows = FloatRows.of(x);
    double[] sums = new double[rows.rows];
    workers.forRange(
        rows.rows,
        Math.max(1, 4096 / Math.max(1, rows.columns)),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            double sum = 0;
            int at = rows.at(i);
            for (int j = 0; j < rows.columns; j++) {
              sum += (double) rows.data[at + j] * rows.data[at + j];
            }
            sums[i] = sum;
          }
        });
    double total = 0;
    for (double sum : sums) {
      total += sum;
    }
    return total;
  }
}
