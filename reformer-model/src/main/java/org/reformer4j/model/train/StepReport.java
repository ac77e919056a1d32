package org.reformer4j.model.train;

/**
 * State of a training after a step.
 *
 * @param step number of the step, from 1
 * @param totalSteps steps of the whole training
 * @param loss mean loss of the step, in nats per byte
 * @param learningRate rate of the step
 * @param gradientNorm global norm before clipping
 * @param tokensPerSecond since the last report, evaluations and checkpoints not counted
 * @param peakBytes most bytes that tensors took during the step
 * @param secondsElapsed since this process started to train
 * @param secondsLeft estimate for the remaining steps
 */
public record StepReport(
    long step,
    long totalSteps,
    double loss,
    double learningRate,
    double gradientNorm,
    double tokensPerSecond,
    long peakBytes,
    double secondsElapsed,
    double secondsLeft) {
  /** Returns the loss in bits per byte. */
  public double bitsPerByte() {
    return loss / Math.log(2);
  }
}
