package org.reformer4j.reference;

import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** Copies of rows to places in a table of numbers. */
final class StoreRows {
  private static final String OP = "storeRows";

  private StoreRows() {}

  static void run(Tensor target, Tensor rows, Tensor source) {
    KernelArguments.F32.storeRows(target, rows, source);
    FloatRows to = FloatRows.of(target);
    FloatRows from = FloatRows.of(source);
    IntRows numbers = IntRows.of(rows);
    for (int i = 0; i < source.rows(); i++) {
      int row = numbers.get(i);
      if (row < 0 || row >= to.rows) {
        throw KernelArguments.wrongIndex(OP, "rows", i, to.rows, row);
      }
    }
    int width = (int) source.columns();
    for (int i = 0; i < source.rows(); i++) {
      System.arraycopy(from.data, from.at(i), to.data, to.at(numbers.get(i)), width);
    }
  }
}
