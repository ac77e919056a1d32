package org.reformer4j.reference;

import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/**
 * v_ij = row_i * column_j / mean(row), u = g / sqrt(v), clipped by its root mean square; w -= rate
 * * max(minimum, rms(w)) * u.
 */
final class Adafactor {
  private Adafactor() {}

  static void run(
      Workers workers,
      Tensor parameter,
      Tensor gradient,
      Tensor rowMoments,
      Tensor columnMoments,
      AdafactorSpec spec) {
    TrainingArguments.adafactor(parameter, gradient, rowMoments, columnMoments);
    long n = parameter.elements();
    boolean factored = columnMoments != null;
    int rows = factored ? (int) parameter.rows() : (int) n;
    int columns = factored ? (int) parameter.columns() : 1;
    FloatRows w = AdamW.flat(parameter);
    FloatRows g = AdamW.flat(gradient);
    FloatRows r = AdamW.flat(rowMoments);
    FloatRows c = factored ? AdamW.flat(columnMoments) : null;
    moments(workers, g, r, c, rows, columns, spec);
    double rowMean = 0;
    for (int i = 0; i < rows && factored; i++) {
      rowMean += r.data[r.at(0) + i];
    }
    rowMean /= rows;
    double[] inverseRow = new double[rows];
    for (int i = 0; i < rows; i++) {
      double value = r.data[r.at(0) + i];
      inverseRow[i] = 1 / Math.sqrt(factored ? value / rowMean : value);
    }
    double[] inverseColumn = new double[columns];
    for (int j = 0; j < columns; j++) {
      inverseColumn[j] = factored ? 1 / Math.sqrt(c.data[c.at(0) + j]) : 1;
    }
    double squares = 0;
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        double u = update(g, i, j, columns, inverseRow, inverseColumn, spec);
        squares += u * u;
      }
    }
    double clip = Math.max(1, Math.sqrt(squares / n) / spec.clip());
    double size = Math.sqrt(SumOfSquares.run(workers, parameter) / n);
    double rate = spec.learningRate() * Math.max(size, spec.minimumScale()) / clip;
    double keep = 1 - (double) spec.learningRate() * spec.weightDecay();
    workers.forRange(
        rows,
        Math.max(1, 4096 / columns),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            for (int j = 0; j < columns; j++) {
              int at = w.at(0) + i * columns + j;
              double u = update(g, i, j, columns, inverseRow, inverseColumn, spec);
              w.data[at] = (float) (w.data[at] * keep - rate * u);
            }
          }
        });
  }

  private static double update(
      FloatRows g,
      int i,
      int j,
      int columns,
      double[] inverseRow,
      double[] inverseColumn,
      AdafactorSpec spec) {
    return (double) g.data[g.at(0) + i * columns + j]
        * spec.gradientScale()
        * inverseRow[i]
        * inverseColumn[j];
  }

  /** Moving means of the squared gradient over the rows and over the columns. */
  private static void moments(
      Workers workers,
      FloatRows g,
      FloatRows r,
      FloatRows c,
      int rows,
      int columns,
      AdafactorSpec spec) {
    workers.forRange(
        rows,
        Math.max(1, 4096 / columns),
        (from, to) -> {
          for (int i = from; i < to; i++) {
            double sum = 0;
            for (int j = 0; j < columns; j++) {
              sum += square(g, i * columns + j, spec);
            }
            blend(r, i, sum / columns, spec);
          }
        });
    if (c == null) {
      return;
    }
    workers.forRange(
        columns,
        Math.max(1, 4096 / rows),
        (from, to) -> {
          for (int j = from; j < to; j++) {
            double sum = 0;
            for (int i = 0; i < rows; i++) {
              sum += square(g, i * columns + j, spec);
            }
            blend(c, j, sum / rows, spec);
          }
        });
  }

  private static double square(FloatRows g, int i, AdafactorSpec spec) {
    double x = (double) g.data[g.at(0) + i] * spec.gradientScale();
    return x * x + spec.epsilon();
  }

  private static void blend(FloatRows moments, int i, double mean, AdafactorSpec spec) {
    int at = moments.at(0) + i;
    moments.data[at] =
        (float) (moments.data[at] * (double) spec.decay() + mean * (1 - spec.decay()));
  }
}
