package org.reformer4j.model.train;

import java.util.Objects;
import org.reformer4j.model.MemoryPolicy;

/**
 * What decides the course of a training; equal options on equal data give equal bits.
 *
 * @param seed of the order of the data, of dropout and of LSH rotations
 * @param batch tokens of a step
 * @param optimizer how parameters are updated
 * @param rate learning rate per step; its number of steps is that of the training
 * @param intervals reports, evaluations, checkpoints
 * @param memory what layers keep for the backward pass; decides about the last bits on float
 *     streams. Null, as in states saved before there was a choice, is {@link
 *     MemoryPolicy#RECOMPUTE}
 */
public record TrainingOptions(
    long seed,
    BatchShape batch,
    OptimizerOptions optimizer,
    LearningRate rate,
    Intervals intervals,
    MemoryPolicy memory) {
  /** Checks that nothing is missing and that there is a step to do. */
  public TrainingOptions {
    Objects.requireNonNull(batch, "batch");
    Objects.requireNonNull(optimizer, "optimizer");
    Objects.requireNonNull(rate, "rate");
    Objects.requireNonNull(intervals, "intervals");
    memory = memory == null ? MemoryPolicy.RECOMPUTE : memory;
    if (rate.totalSteps() < 1) {
      throw new IllegalArgumentException(
          "rate.totalSteps, the steps of the training, must be at least 1, got "
              + rate.totalSteps());
    }
  }

  /** Options that keep nothing that can be recomputed. */
  public TrainingOptions(
      long seed,
      BatchShape batch,
      OptimizerOptions optimizer,
      LearningRate rate,
      Intervals intervals) {
    this(seed, batch, optimizer, rate, intervals, MemoryPolicy.RECOMPUTE);
  }

  /**
   * Returns these options with another memory policy.
   *
   * @param memory what layers keep for the backward pass
   */
  public TrainingOptions withMemory(MemoryPolicy memory) {
    return new TrainingOptions(seed, batch, optimizer, rate, intervals, memory);
  }
}
