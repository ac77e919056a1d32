package org.reformer4j.model;

/**
 * Losses of a few numbers per sequence, in double, with Hugging Face's means: cross-entropy over
 * the sequences that count, the others over all elements.
 */
final class SequenceLoss {
  private SequenceLoss() {}

  /**
   * Mean cross-entropy (torch.nn.CrossEntropyLoss).
   *
   * @param dLogits [B, L], receives weight times the gradient; or null
   * @param logits [B, L]
   * @param classes [B], of 0..L-1, or {@link Batch#IGNORE}; at least one counts
   */
  static double crossEntropy(float[] dLogits, float[] logits, int[] classes, double weight) {
    int columns = logits.length / classes.length;
    int count = 0;
    for (int label : classes) {
      count += label == Batch.IGNORE ? 0 : 1;
    }
    double sum = 0;
    for (int b = 0; b < classes.length; b++) {
      if (classes[b] == Batch.IGNORE) {
        continue;
      }
      int from = b * columns;
      double largest = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < columns; i++) {
        largest = Math.max(largest, logits[from + i]);
      }
      double total = 0;
      for (int i = 0; i < columns; i++) {
        total += StrictMath.exp(logits[from + i] - largest);
      }
      sum += largest + StrictMath.log(total) - logits[from + classes[b]];
      for (int i = 0; dLogits != null && i < columns; i++) {
        double gradient =
            StrictMath.exp(logits[from + i] - largest) / total - (i == classes[b] ? 1 : 0);
        dLogits[from + i] = (float) (weight * gradient / count);
      }
    }
    return sum / count;
  }

  /**
   * Mean squared error (torch.nn.MSELoss).
   *
   * @param dLogits [B, L], receives weight times the gradient; or null
   * @param logits [B, L]
   * @param values [B, L]
   */
  static double squaredError(float[] dLogits, float[] logits, float[] values, double weight) {
    double sum = 0;
    for (int i = 0; i < logits.length; i++) {
      double error = (double) logits[i] - values[i];
      sum += error * error;
      if (dLogits != null) {
        dLogits[i] = (float) (weight * 2 * error / logits.length);
      }
    }
    return sum / logits.length;
  }

  /**
   * Mean binary cross-entropy (torch.nn.BCEWithLogitsLoss).
   *
   * @param dLogits [B, L], receives weight times the gradient; or null
   * @param logits [B, L]
   * @param values [B, L], from 0 to 1
   */
  static double binaryCrossEntropy(float[] dLogits, float[] logits, float[] values, double weight) {
    double sum = 0;
    for (int i = 0; i < logits.length; i++) {
      double x = logits[i];
      double tail = StrictMath.exp(-Math.abs(x));
      sum += Math.max(x, 0) - x * values[i] + StrictMath.log1p(tail);
      if (dLogits != null) {
        double sigmoid = x >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
        dLogits[i] = (float) (weight * (sigmoid - values[i]) / logits.length);
      }
    }
    return sum / logits.length;
  }
}
