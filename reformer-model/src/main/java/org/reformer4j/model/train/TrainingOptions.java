package org.reformer4j.model.train;

import java.util.Objects;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Precision;

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
 * @param precision in what the model computes, which is that of the model. Null, as in states saved
 *     before there was a choice, is {@link Precision#FLOAT32}
 */
public record TrainingOptions(
    long seed,
    BatchShape batch,
    OptimizerOptions optimizer,
    LearningRate rate,
    Intervals intervals,
    MemoryPolicy memory,
    Precision precision) {
  /** Checks that nothing is missing and that there is a step to do. */
  public TrainingOptions {
    Objects.requireNonNull(batch, "batch");
    Objects.requireNonNull(optimizer, "optimizer");
    Objects.requireNonNull(rate, "rate");
    Objects.requireNonNull(intervals, "intervals");
    memory = memory == null ? MemoryPolicy.RECOMPUTE : memory;
    precision = precision == null ? Precision.FLOAT32 : precision;
    if (rate.totalSteps() < 1) {
      throw new IllegalArgumentException(
          "rate.totalSteps, the steps of the training, must be at least 1, got "
              + rate.totalSteps());
    }
  }

  /** Options in float32 that keep nothing that can be recomputed. */
  public TrainingOptions(
      long seed,
      BatchShape batch,
      OptimizerOptions optimizer,
      LearningRate rate,
      Intervals intervals) {
    this(seed, batch, optimizer, rate, intervals, MemoryPolicy.RECOMPUTE, Precision.FLOAT32);
  }

  /**
   * Returns these options with another memory policy.
   *
   * @param memory what layers keep for the backward pass
   */
  public TrainingOptions withMemory(MemoryPolicy memory) {
    return new TrainingOptions(seed, batch, optimizer, rate, intervals, memory, precision);
  }

  /**
   * Returns these options with another precision.
   *
   * @param precision in what the model computes
   */
  public TrainingOptions withPrecision(Precision precision) {
    return new TrainingOptions(seed, batch, optimizer, rate, intervals, memory, precision);
  }
}
