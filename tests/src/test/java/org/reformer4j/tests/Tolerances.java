package org.reformer4j.tests;

/** All tolerances, as the README of the golden cases recommends them. */
public final class Tolerances {
  /** Outputs, logits and streams, absolute. */
  public static final double OUTPUT = 2e-5;

  /** Logits of cached decoding, absolute. */
  public static final double CACHED_LOGITS = 5e-5;

  /** Loss, per unit of loss. */
  public static final double LOSS = 2e-6;

  /** Gradients, relative to the largest element of the parameter's gradient. */
  public static final double GRADIENT = 1e-5;

  /**
   * Float gradients of two backends against each other, relative to the largest element: each may
   * be {@link #GRADIENT} off; 1.4e-5 was found.
   */
  public static final double TWO_GRADIENTS = 2 * GRADIENT;

  /** Gradients that are exactly zero, absolute. */
  public static final double ZERO_GRADIENT = 1e-6;

  /** Numbers of torch's generator, absolute. */
  public static final double TORCH_RANDOM = 3e-6;

  /**
   * Float gradients against central differences of a double oracle, relative to the largest
   * element: float rounding of the gradients; that of the differences is 1e-9.
   */
  public static final double FINITE_DIFFERENCE = 2e-5;

  /**
   * Rebuilt against original embeddings after 12 layers, relative to the largest value that a
   * stream took: 24 roundings, amplified by the layers below; the median of several batches. A
   * wrong mask gives errors of order 1.
   */
  public static final double RECONSTRUCTION = 1e-5;

  /**
   * The same for the worst of nine batches. The layers amplify a rounding more or less by chance:
   * of 16 batches the reference backend's worst is 2.9 times its median, the CPU's 2.9 times.
   */
  public static final double RECONSTRUCTION_WORST = 4 * RECONSTRUCTION;

  /**
   * Directional derivatives against central differences of float32 operations with step 2e-3: sums
   * of about 100 values of order 1 are exact to 1e-6, divided by the step.
   */
  public static final double FLOAT_DIFFERENCE = 2e-3;

  /** The same for the loss of a whole model: float32 noise of 1e-7 divided by the step. */
  public static final double LOSS_DIFFERENCE = 1e-3;

  /**
   * Float operations against formulas in double, relative to 1 + the value: 100 roundings of 6e-8
   * at most.
   */
  public static final double FORMULA = 6e-6;

  /**
   * Float gradients along a random direction against slopes of a formula in double, relative to the
   * gradient's length: chains of at most 74 roundings of 6e-8, which a random direction averages.
   */
  public static final double SLOPE = 2e-6;

  /** Float attention on values of order 1 against double: scores and sums of about 50 terms. */
  public static final double ATTENTION = 5e-6;

  /**
   * Losses and gradient norms of twenty training steps against the reference backend, relative:
   * float noise of 3e-8 at first, which Adam and buckets amplify; 1.3e-6 was found.
   */
  public static final double TRAINING = 1e-5;

  /**
   * Losses of the same steps with bfloat16 activations, per unit of loss: half a step of the format
   * is 2e-3, the loss is a mean over all tokens, and 3e-4 were found.
   */
  public static final double TRAINING_LOSS_BF16 = 1e-3;

  /**
   * Losses of heads on two layers with bfloat16 activations, relative: roundings of 2^-9 in about
   * 20 products of the few tokens that reach a head of sequences; half of it was found.
   */
  public static final double HEAD_LOSS_BF16 = 0x1p-6;

  /**
   * Cosine between the gradients of the same models in bfloat16 and in float32, at least: the
   * square of an error of a sixteenth of the length; a third was found.
   */
  public static final double HEAD_GRADIENT_BF16 = 1 - 0x1p-8;

  /**
   * Errors of bfloat16 results against float32 ones, in those of the straightforward way: the rule
   * of flash-attention.
   */
  public static final double BF16_ERRORS = 2;

  /**
   * Rebuilt against original embeddings after 12 layers in bfloat16 on float32 streams, relative to
   * the largest value that a stream took: one rounding of 2^-9 per layer; a fifth was found.
   */
  public static final double RECONSTRUCTION_BF16 = 12 * 0x1p-9;

  private Tolerances() {}
}
