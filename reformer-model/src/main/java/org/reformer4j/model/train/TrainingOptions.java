package org.reformer4j.model.train;

import java.util.Objects;

/**
 * What decides the course of a training; equal options on equal data give equal bits.
 *
 * @param seed of the order of the data, of dropout and of LSH rotations
 * @param batch tokens of a step
 * @param optimizer how parameters are updated
 * @param rate learning rate per step; its number of steps is that of the training
 * @param intervals reports, evaluations, checkpoints
 */
public record TrainingOptions(
    long seed,
    BatchShape batch,
    OptimizerOptions optimizer,
    LearningRate rate,
    Intervals intervals) {
  /** Checks that nothing is missing and that there is a step to do. */
  public TrainingOptions {
    Objects.requireNonNull(batch, "batch");
    Objects.requireNonNull(optimizer, "optimizer");
    Objects.requireNonNull(rate, "rate");
    Objects.requireNonNull(intervals, "intervals");
    if (rate.totalSteps() < 1) {
      throw new IllegalArgumentException(
          "rate.totalSteps, the steps of the training, must be at least 1, got "
              + rate.totalSteps());
    }
  }
}
