package org.reformer4j.reference;

import org.reformer4j.api.Dropout;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** acc += sign * dropout(y + bias), then out = LayerNorm(acc): one operation after the other. */
final class ResidualNorm {
  private ResidualNorm() {}

  /** Returns false if a FIXED stream saturated. */
  static boolean run(
      Workers workers,
      Tensor out,
      Tensor acc,
      Tensor y,
      Tensor bias,
      int sign,
      Dropout dropout,
      Tensor gain,
      Tensor normBias,
      float epsilon) {
    KernelArguments.F32.residualNorm(out, acc, y, bias, sign, gain, normBias);
    Residual.Step step = Residual.step(acc, y, bias, sign, dropout);
    LayerNorm.Forward norm = LayerNorm.forward(out, acc, gain, normBias, epsilon);
    boolean inRange = step.run(workers);
    norm.run(workers);
    return inRange;
  }
}
