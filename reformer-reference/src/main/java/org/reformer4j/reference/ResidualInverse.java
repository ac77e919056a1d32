package org.reformer4j.reference;

import org.reformer4j.api.Dropout;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** acc -= dropout(y + bias), dY = dropout(dAcc), dBias += column sums of dY, in this order. */
final class ResidualInverse {
  private ResidualInverse() {}

  /** Returns false if a FIXED stream saturated. */
  static boolean run(
      Workers workers,
      Tensor acc,
      Tensor dY,
      Tensor dBias,
      Tensor y,
      Tensor bias,
      Tensor dAcc,
      Dropout dropout) {
    KernelArguments.F32.residualInverse(acc, dY, dBias, y, bias, dAcc);
    Residual.Step step = Residual.step(acc, y, bias, -1, dropout);
    boolean inRange = step.run(workers);
    // y has been read: dY may be the same tensor.
    Residual.gradient(workers, dY, dBias, dAcc, dropout);
    return inRange;
  }
}
