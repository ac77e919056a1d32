package org.reformer4j.model.train;

import java.util.Objects;

/**
 * How parameters are updated.
 *
 * @param kind which optimizer
 * @param beta1 decay of the first moment, AdamW only
 * @param beta2 decay of the second moment, AdamW only
 * @param epsilon added to the root of the second moment, AdamW only
 * @param weightDecay decoupled decay of matrices, multiplied by the learning rate
 * @param clipNorm largest global norm of the gradient, 0 for none
 */
public record OptimizerOptions(
    Kind kind, float beta1, float beta2, float epsilon, float weightDecay, float clipNorm) {
  /** The optimizers. */
  public enum Kind {
    /** Adam with decoupled weight decay. */
    ADAMW,
    /** Factored second moments: a matrix costs a row and a column. */
    ADAFACTOR
  }

  /** Checks the ranges. */
  public OptimizerOptions {
    Objects.requireNonNull(kind, "kind");
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
      throw new IllegalArgumentException(
          "beta1 and beta2 must be in [0, 1), got " + beta1 + " and " + beta2);
    }
    // The sum is not finite if one of them is not.
    if (!(epsilon > 0 && weightDecay >= 0 && clipNorm >= 0)
        || !Double.isFinite((double) epsilon + weightDecay + clipNorm)) {
      throw new IllegalArgumentException(
          "epsilon must be positive, weightDecay and clipNorm not negative, all finite, got "
              + epsilon
              + ", "
              + weightDecay
              + ", "
              + clipNorm);
    }
  }

  /**
   * Returns AdamW; beta2 is 0.98 as in trax's Reformer configs, which forgets faster than 0.999.
   */
  public static OptimizerOptions adamW() {
    return new OptimizerOptions(Kind.ADAMW, 0.9f, 0.98f, 1e-8f, 0.01f, 1f);
  }

  /** Returns Adafactor, the paper's optimizer. */
  public static OptimizerOptions adafactor() {
    return new OptimizerOptions(Kind.ADAFACTOR, 0f, 0f, 1e-8f, 0f, 1f);
  }
}
