package org.reformer4j.model.train;

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
   * Predicts every byte of the text but the first once, in windows whose predictions do not
   * overlap; the byte before a window is given. The result does not depend on how many windows are
   * computed at once.
   *
   * @param model a causal byte-level model
   * @param corpus the text, at least two bytes
   * @param contextLength bytes predicted per window, at least 1
   * @param maxWindows whole windows to measure, spread evenly; 0 for all, with a shorter last one
   * @return the mean loss; its step is 0
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static EvaluationReport evaluate(
      ReformerModel model, Corpus corpus, int contextLength, int maxWindows) {
    return evaluate(model, corpus.length(), corpus::copyIds, contextLength, maxWindows);
  }

  /**
   * Predicts every token of a text but the first once, as {@link #evaluate(ReformerModel, Corpus,
   * int, int)} does bytes.
   *
   * @param model a causal language model
   * @param ids the text, at least two ids of the model's vocabulary
   * @param contextLength tokens predicted per window, at least 1
   * @param maxWindows whole windows to measure, spread evenly; 0 for all, with a shorter last one
   * @return the mean loss per token; its step is 0, its bytes are tokens
   * @throws IllegalArgumentException if an argument is out of range
   */
  public static EvaluationReport evaluate(
      ReformerModel model, int[] ids, int contextLength, int maxWindows) {
    Text text = (start, count, target, at) -> System.arraycopy(ids, (int) start, target, at, count);
    return evaluate(model, ids.length, text, contextLength, maxWindows);
  }

  /** Ids that need not be in memory. */
  private interface Text {
    void copyIds(long start, int count, int[] target, int at);
  }

  private static EvaluationReport evaluate(
      ReformerModel model, long length, Text text, int contextLength, int maxWindows) {
    if (length < 2 || contextLength < 1 || maxWindows < 0) {
      throw new IllegalArgumentException(
          "evaluation needs a text of at least 2 tokens, contextLength of at least 1 and maxWindows"
              + " of at least 0, got "
              + length
              + ", "
              + contextLength
              + " and "
              + maxWindows);
    }
    long predictable = length - 1;
    long whole = predictable / contextLength;
    int rest = (int) (predictable % contextLength);
    long limit = maxWindows == 0 ? Long.MAX_VALUE : maxWindows;
    long measured = Math.min(limit, whole);
    int atOnce = Math.max(1, TOKENS_AT_ONCE / contextLength);
    double sum = 0;
    for (long first = 0; first < measured; first += atOnce) {
      long[] starts = new long[(int) Math.min(atOnce, measured - first)];
      for (int i = 0; i < starts.length; i++) {
        // Evenly spread: window j of m out of n is number j*n/m.
        starts[i] = (first + i) * whole / measured * contextLength;
      }
      sum += lossSum(model, text, contextLength, starts);
    }
    long tokens = measured * contextLength;
    if (rest > 0 && limit > whole) {
      // Alone: beside longer ones it would be hashed into as many buckets as they need.
      sum += lossSum(model, text, rest, predictable - rest);
      tokens += rest;
    }
    return new EvaluationReport(0, sum / tokens, tokens);
  }

  /** Returns the summed loss of windows of equal length. */
  private static double lossSum(ReformerModel model, Text text, int length, long... starts) {
    int[] ids = new int[Math.multiplyExact(starts.length, length)];
    int[] targets = new int[ids.length];
    for (int i = 0; i < starts.length; i++) {
      text.copyIds(starts[i], length, ids, i * length);
      text.copyIds(starts[i] + 1, length, targets, i * length);
    }
    Batch batch = Batch.of(ids, length).withTargets(targets);
    return model.loss(batch, CallOptions.EVALUATION) * targets.length;
  }
}
