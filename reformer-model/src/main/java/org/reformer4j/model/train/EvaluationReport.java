package org.reformer4j.model.train;

/**
 * Loss on held-out text.
 *
 * @param step step after which it was measured
 * @param loss mean loss in nats per byte
 * @param bytes bytes that were predicted
 */
public record EvaluationReport(long step, double loss, long bytes) {
  /** Returns the loss in bits per byte. */
  public double bitsPerByte() {
    return loss / Math.log(2);
  }
}
