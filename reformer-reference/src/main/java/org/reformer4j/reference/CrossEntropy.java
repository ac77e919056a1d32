package org.reformer4j.reference;

import org.reformer4j.api.Arguments;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** loss = log(sum exp(logits)) - logits[target]; dLogits = scale * (softmax - onehot). */
final class CrossEntropy {
  private CrossEntropy() {}

  static void run(
      Workers workers,
      Tensor loss,
      Tensor dLogits,
      Tensor logits,
      Tensor targets,
      int ignoreIndex,
      float scale) {
    TrainingArguments.crossEntropy(loss, dLogits, logits, targets);
    long rows = logits.rows();
    long vocabulary = logits.columns();
    FloatRows x = FloatRows.of(logits);
    FloatRows dX = FloatRows.orNull(dLogits);
    FloatRows out = FloatRows.of(loss.reshape(1, rows));
    IntRows target = IntRows.of(targets);
    for (int i = 0; i < rows; i++) {
      int label = target.get(i);
      if (label != ignoreIndex && (label < 0 || label >= vocabulary)) {
        throw Arguments.wrongTarget(i, ignoreIndex, vocabulary, label);
      }
    }
    workers.forRange(
        x.rows,
        4,
        (from, to) -> {
          double[] row = new double[x.columns];
          for (int i = from; i < to; i++) {
            out.data[out.at(0) + i] = row(dX, x, i, target.get(i), ignoreIndex, scale, row);
          }
        });
  }

  private static float row(
      FloatRows dX, FloatRows x, int i, int target, int ignoreIndex, float scale, double[] row) {
    if (target == ignoreIndex) {
      if (dX != null) {
        java.util.Arrays.fill(dX.data, dX.at(i), dX.at(i) + x.columns, 0f);
      }
      return 0f;
    }
    int at = x.at(i);
    double high = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < x.columns; j++) {
      high = Math.max(high, x.data[at + j]);
    }
    for (int j = 0; j < x.columns; j++) {
      row[j] = x.data[at + j] - high;
    }
    double targetLogit = row[target];
    Exp.ofNonPositive(row, x.columns);
    double sum = 0;
    for (int j = 0; j < x.columns; j++) {
      sum += row[j];
    }
    if (dX != null) {
      int to = dX.at(i);
      double factor = scale / sum;
      for (int j = 0; j < x.columns; j++) {
        dX.data[to + j] = (float) (row[j] * factor);
      }
      dX.data[to + target] = (float) (row[target] * factor - scale);
    }
    return (float) (Math.log(sum) - targetLogit);
  }
}
