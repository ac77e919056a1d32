package org.reformer4j.model;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Products with a weight matrix [out, in], as torch.nn.Linear without bias stores it. The matrix is
 * taken in the type of the activation.
 */
final class Projection {
  private Projection() {}

  /** Returns x W^T, [N, out], of the type of x. */
  static Tensor forward(Backend backend, TensorScope scope, Tensor x, Parameter weight) {
    return forward(backend, scope, x, weight, 1f);
  }

  /** Returns scale * x W^T, [N, out], of the type of x. */
  static Tensor forward(
      Backend backend, TensorScope scope, Tensor x, Parameter weight, float scale) {
    Tensor y = scope.allocate(x.type(), x.rows(), weight.value().rows());
    backend.gemm(y, x, false, weight.value(x.type()), true, scale, 0f);
    return y;
  }

  /** dX = beta * dX + dY W, dW += dY^T x. */
  static void backward(
      Backend backend, Tensor dX, float beta, Tensor dY, Tensor x, Parameter weight) {
    backend.gemm(weight.gradient(), dY, true, x, false, 1f, 1f);
    backend.gemm(dX, dY, false, weight.value(dY.type()), false, 1f, beta);
  }

  /** Returns room for the log-sum-exp of an attention, [B, H, T]. */
  static Tensor logSumExp(TensorScope scope, AttentionSpec spec) {
    return scope.allocate(
        DType.F32, spec.sequences().batch(), spec.heads(), spec.sequences().stride());
  }
}
