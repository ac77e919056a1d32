package org.reformer4j.model.train;

import java.util.Objects;

/**
 * A learning rate as a function of the step s = 1, 2, ... with warm-up. With w = {@code
 * warmupSteps}, n = {@code totalSteps} and the share p = min(1, (s - w) / (n - w)) of the decay
 * that is done:
 *
 * <ul>
 *   <li>s &lt;= w, all schedules: peak * s / w
 *   <li>s &gt; w, {@link Schedule#CONSTANT}: peak
 *   <li>s &gt; w, {@link Schedule#LINEAR}: peak + (minimum - peak) * p
 *   <li>s &gt; w, {@link Schedule#COSINE}: minimum + (peak - minimum) * (1 + cos(pi * p)) / 2
 *   <li>s &gt; w, {@link Schedule#INVERSE_SQUARE_ROOT}: max(minimum, peak * sqrt(max(w, 1) / s))
 * </ul>
 *
 * <p>The rate reaches {@code peak} at step w, and LINEAR and COSINE keep {@code minimum} from step
 * n on (cosine: Loshchilov and Hutter 2017, without restarts; inverse square root: Vaswani et al.
 * 2017).
 *
 * @param schedule what follows the warm-up
 * @param peak rate at the end of the warm-up, positive and finite
 * @param minimum least rate after the warm-up, in [0, peak]; not used by CONSTANT
 * @param warmupSteps w, steps of linear warm-up, 0 for none
 * @param totalSteps n, the step at which LINEAR and COSINE end, greater than w for them; not used
 *     by the others
 */
public record LearningRate(
    Schedule schedule, double peak, double minimum, long warmupSteps, long totalSteps) {
  /** What follows the warm-up. */
  public enum Schedule {
    /** The peak for ever. */
    CONSTANT,
    /** Straight down to the minimum. */
    LINEAR,
    /** Half a cosine wave down to the minimum. */
    COSINE,
    /** Falls with the root of the step, without an end. */
    INVERSE_SQUARE_ROOT
  }

  /** Checks the ranges. */
  public LearningRate {
    Objects.requireNonNull(schedule, "schedule");
    if (!(peak > 0 && peak < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("peak must be positive and finite, got " + peak);
    }
    if (!(minimum >= 0 && minimum <= peak)) {
      throw new IllegalArgumentException(
          "minimum must be in [0, peak = " + peak + "], got " + minimum);
    }
    if (warmupSteps < 0) {
      throw new IllegalArgumentException("warmupSteps must not be negative, got " + warmupSteps);
    }
    boolean ends = schedule == Schedule.LINEAR || schedule == Schedule.COSINE;
    if (ends && totalSteps <= warmupSteps) {
      throw new IllegalArgumentException(
          "totalSteps must be greater than warmupSteps = "
              + warmupSteps
              + " with schedule "
              + schedule
              + ", got "
              + totalSteps
              + ": shorten the warm-up or train longer");
    }
  }

  /**
   * Returns a rate that never changes.
   *
   * @param rate the rate, positive and finite
   */
  public static LearningRate constant(double rate) {
    return new LearningRate(Schedule.CONSTANT, rate, 0, 0, 0);
  }

  /**
   * Returns the rate of a step.
   *
   * @param step number of the step, from 1
   * @throws IllegalArgumentException if the step is less than 1
   */
  public float at(long step) {
    if (step < 1) {
      throw new IllegalArgumentException("step counts from 1, got " + step);
    }
    if (step <= warmupSteps) {
      return (float) (peak * step / warmupSteps);
    }
    return (float)
        switch (schedule) {
          case CONSTANT -> peak;
          case LINEAR -> peak + (minimum - peak) * done(step);
          case COSINE ->
              minimum + (peak - minimum) * (1 + StrictMath.cos(Math.PI * done(step))) / 2;
          case INVERSE_SQUARE_ROOT ->
              Math.max(minimum, peak * StrictMath.sqrt((double) Math.max(warmupSteps, 1) / step));
        };
  }

  private double done(long step) {
    return Math.min(1, (double) (step - warmupSteps) / (totalSteps - warmupSteps));
  }
}
