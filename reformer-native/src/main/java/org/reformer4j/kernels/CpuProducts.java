package org.reformer4j.kernels;

import org.reformer4j.api.Tensor;

/**
 * c = alpha * op(a) * op(b) + beta * c by the CPU library: of floats the bits of the reference
 * backend.
 */
final class CpuProducts implements Products {
  private final Device device;
  private final DeviceMemory memory;

  CpuProducts(Device device, DeviceMemory memory) {
    this.device = device;
    this.memory = memory;
  }

  @Override
  public void gemm(
      Tensor c,
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta) {
    device.arguments().gemm(c, a, transposeA, b, transposeB);
    device.check(
        "gemm",
        c,
        device
            .kernels()
            .rf_gemm(
                device.context(),
                memory.address(c),
                c.rowStride(),
                ElementTypes.code(c),
                memory.address(a),
                a.rowStride(),
                transposeA ? 1 : 0,
                memory.address(b),
                b.rowStride(),
                transposeB ? 1 : 0,
                ElementTypes.code(a),
                alpha,
                beta,
                c.rows(),
                c.columns(),
                transposeA ? a.rows() : a.columns()));
  }

  @Override
  public void close() {}
}
