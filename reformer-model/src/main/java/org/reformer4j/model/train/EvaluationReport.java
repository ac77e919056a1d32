package org.reformer4j.model.train;

import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Loss on held-out text or examples.
 *
 * @param step step after which it was measured
 * @param loss mean loss, in nats per byte of a text; over all labels of examples
 * @param bytes bytes that were predicted, or labels of examples
 * @param scores shares of right answers on examples: {@code accuracy} of classes, {@code
 *     exact_match} of answers, {@code retrieval} of pairs; none on text and numbers
 */
public record EvaluationReport(
    long step, double loss, long bytes, SortedMap<String, Double> scores) {
  /** Copies the scores. */
  public EvaluationReport {
    scores = Collections.unmodifiableSortedMap(new TreeMap<>(Map.copyOf(scores)));
  }

  /** A report on a text. */
  public EvaluationReport(long step, double loss, long bytes) {
    this(step, loss, bytes, Collections.emptySortedMap());
  }

  /** Returns the loss in bits per byte. */
  public double bitsPerByte() {
    return loss / Math.log(2);
  }

  /** Returns the same report as of a step. */
  EvaluationReport at(long number) {
    return new EvaluationReport(number, loss, bytes, scores);
  }
}
