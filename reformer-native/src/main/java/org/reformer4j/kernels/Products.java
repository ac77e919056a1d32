package org.reformer4j.kernels;

import org.reformer4j.api.Tensor;

/** Matrix products of a device. */
interface Products extends AutoCloseable {
  /** c = alpha * op(a) * op(b) + beta * c, as {@link org.reformer4j.api.Kernels#gemm} has it. */
  void gemm(
      Tensor c,
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta);

  @Override
  void close();
}
