package org.reformer4j.model.train;

import java.util.Arrays;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.Corpus;

/** Measures the loss of a causal model on a text. */
public final class Evaluator {
  /** Tokens computed at once; more do not make it faster. */
  private static final int TOKENS_AT_ONCE = 4096;

  private Evaluator() {}

  /**
   * Predicts every byte of the text once, in windows that do not overlap; the first byte of a
   * window is given.
   *
   * @param model a causal byte-level model
   * @param corpus the text, at least two bytes
   * @param contextLength bytes predicted per window
   * @param maxWindows windows to measure, spread evenly; 0 for all, with a shorter last one
   */
  public static EvaluationReport evaluate(
      ReformerModel model, Corpus corpus, int contextLength, int maxWindows) {
    if (corpus.length() < 2) {
      throw new IllegalArgumentException(
          "evaluation needs a text of at least 2 bytes, got " + corpus.length());
    }
    long predictable = corpus.length() - 1;
    long windows = (predictable + contextLength - 1) / contextLength;
    long measured = maxWindows == 0 ? windows : Math.min(maxWindows, windows);
    int atOnce = Math.max(1, TOKENS_AT_ONCE / contextLength);
    double sum = 0;
    long bytes = 0;
    for (long first = 0; first < measured; first += atOnce) {
      int count = (int) Math.min(atOnce, measured - first);
      int[][] ids = new int[count][];
      int[] targets = new int[count * contextLength];
      Arrays.fill(targets, Batch.IGNORE);
      int longest = 0;
      for (int i = 0; i < count; i++) {
        // Evenly spread: window j of m out of n is number j*n/m.
        long start = (first + i) * windows / measured * contextLength;
        ids[i] = new int[(int) Math.min(contextLength, predictable - start)];
        corpus.copyIds(start, ids[i].length, ids[i], 0);
        longest = Math.max(longest, ids[i].length);
      }
      for (int i = 0; i < count; i++) {
        long start = (first + i) * windows / measured * contextLength;
        corpus.copyIds(start + 1, ids[i].length, targets, i * longest);
      }
      Batch batch = Batch.of(ids).withTargets(Arrays.copyOf(targets, count * longest));
      sum += model.loss(batch, CallOptions.EVALUATION) * batch.targetCount();
      bytes += batch.targetCount();
    }
    return new EvaluationReport(0, sum / bytes, bytes);
  }
}
