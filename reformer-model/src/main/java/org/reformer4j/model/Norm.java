package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
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

  /** Returns the normalised rows, as activations of a type. */
  Tensor forward(Backend backend, TensorScope scope, Tensor x, DType activations) {
    Tensor out = scope.allocate(activations, x.rows(), x.columns());
    forward(backend, out, x);
    return out;
  }

  /** Writes the normalised rows. */
  void forward(Backend backend, Tensor out, Tensor x) {
    backend.layerNorm(out, x, gain.value(), bias.value(), epsilon);
  }

  /**
   * acc += sign * dropout(y + yBias), and the norm of the result where one is asked for, in the
   * same pass over it.
   *
   * @param next the norm, or null for none
   * @param normal [N, D], receives the norm's result; not y
   * @param yBias [D] or null
   */
  static void residual(
      Backend backend,
      Norm next,
      Tensor normal,
      Tensor acc,
      Tensor y,
      Tensor yBias,
      int sign,
      Dropout dropout) {
    if (next == null) {
      backend.residual(acc, y, yBias, sign, dropout);
    } else {
      backend.residualNorm(
          normal, acc, y, yBias, sign, dropout, next.gain.value(), next.bias.value(), next.epsilon);
    }
  }

  /** dX += gradient, and so the parameters'. */
  void backward(Backend backend, Tensor dX, Tensor dOut, Tensor x) {
    backend.layerNormBackward(dX, gain.gradient(), bias.gradient(), dOut, x, gain.value(), epsilon);
  }
}
