package org.reformer4j.api;

/**
 * One AdamW update (Loshchilov and Hutter 2019; torch.optim.AdamW).
 *
 * @param learningRate step size of this update
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay decoupled decay, multiplied by the learning rate
 * @param step number of this update, from 1
 * @param gradientScale factor on the gradient before anything else (clipping)
 */
public record AdamWSpec(
    float learningRate,
    float beta1,
    float beta2,
    float epsilon,
    float weightDecay,
    long step,
    float gradientScale) {
  /** Returns the learning rate over the correction of the first moment, 1 - beta1^step. */
  public double rate() {
    return learningRate / (1 - Math.pow(beta1, step));
  }

  /** Returns the root of the correction of the second moment, 1 - beta2^step. */
  public double rootCorrection() {
    return Math.sqrt(1 - Math.pow(beta2, step));
  }

  /** Returns what the decay leaves of a parameter. */
  public double keep() {
    return 1 - (double) learningRate * weightDecay;
  }
}
