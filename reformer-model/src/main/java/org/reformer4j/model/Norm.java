package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** A layer norm and its parameters. */
final class Norm {
  private final Parameter gain;
  private final Parameter bias;
  private final float epsilon;

  /**
   * Declares the parameters {@code prefix + "weight"} and {@code prefix + "bias"}.
   *
   * @param width columns
   */
  Norm(ReformerConfig config, String prefix, long width, ParameterSet parameters) {
    gain = parameters.declare(prefix + "weight", Initializer.ONES, width);
    bias = parameters.declare(prefix + "bias", Initializer.ZEROS, width);
    epsilon = (float) config.layerNormEps();
  }

  /** Returns the normalised rows. */
  Tensor forward(Backend backend, TensorScope scope, Tensor x) {
    Tensor out = scope.allocate(DType.F32, x.rows(), x.columns());
    backend.layerNorm(out, x, gain.value(), bias.value(), epsilon);
    return out;
  }

  /** dX += gradient, and so the parameters'. */
  void backward(Backend backend, Tensor dX, Tensor dOut, Tensor x) {
    backend.layerNormBackward(dX, gain.gradient(), bias.gradient(), dOut, x, gain.value(), epsilon);
  }
}
