package org.reformer4j.model;

import java.util.Locale;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;

/**
 * In what a model computes. Parameters, their gradients, residual streams, statistics, logits and
 * losses are floats with either; checkpoints do not know it.
 */
public enum Precision {
  /** Everything in float32. */
  FLOAT32(DType.F32),
  /**
   * Activations and the matrices that they are multiplied by rounded to bfloat16, products summed
   * in float32: half the memory traffic, and a device's fast products.
   */
  BFLOAT16(DType.BF16);

  private final DType activations;

  Precision(DType activations) {
    this.activations = activations;
  }

  /** Returns the type of the activations. */
  public DType activations() {
    return activations;
  }

  /** Returns the name that people type: {@code float32} or {@code bfloat16}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Checks that a backend computes with it.
   *
   * @throws IllegalArgumentException if it does not; the message says what to do
   */
  public void require(Backend backend) {
    if (!backend.activationTypes().contains(activations)) {
      throw new IllegalArgumentException(
          "the "
              + backend.name()
              + " backend does not compute in "
              + label()
              + ": use precision float32, or the cuda backend, or the cpu backend on a processor with"
              + " AVX512_BF16");
    }
  }
}
