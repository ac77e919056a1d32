package org.reformer4j.kernels;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.javacpp.FloatPointer;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;

/**
 * c = alpha * op(a) * op(b) + beta * c by cuBLASLt. Floats are multiplied as floats, not as TF32;
 * products of BF16 are summed in float. Equal shapes are computed in the same way every time.
 */
final class CublasProducts implements Products {
  private static final int MOST_PLANS = 512;

  private final Device device;
  private final DeviceMemory memory;
  private final cublasLtContext handle = new cublasLtContext();
  private final CUstream_st stream;
  private final FloatPointer alpha = new FloatPointer(1);
  private final FloatPointer beta = new FloatPointer(1);
  private final Address addressA = new Address();
  private final Address addressB = new Address();
  private final Address addressC = new Address();
  private final Address workspace = new Address();
  private final Map<ProductKey, ProductPlan> plans =
      new LinkedHashMap<>(64, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ProductKey, ProductPlan> eldest) {
          boolean full = size() > MOST_PLANS;
          if (full) {
            eldest.getValue().close();
          }
          return full;
        }
      };

  CublasProducts(Device device, DeviceMemory memory) {
    this.device = device;
    this.memory = memory;
    this.stream = new CUstream_st(new Address().at(device.stream()));
    int status = cublas.cublasLtCreate(handle);
    if (status != 0) {
      throw new BackendException(
          "open", status, false, "cublasLtCreate fails: " + CublasStatus.name(status));
    }
  }

  @Override
  public void gemm(
      Tensor c,
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float factor,
      float addend) {
    device.arguments().gemm(c, a, transposeA, b, transposeB);
    long toC = memory.address(c);
    long toA = memory.address(a);
    long toB = memory.address(b);
    if (c.elements() == 0) {
      return;
    }
    ProductKey key = ProductKey.of(c, toC, a, toA, transposeA, b, toB, transposeB);
    if (key.k() == 0) {
      scale(key, toC, addend);
    } else {
      multiply(key, toC, toA, toB, factor, addend);
    }
  }

  /** c = beta * c, the product of no terms: as one term of zeros, unless it is simpler. */
  private void scale(ProductKey key, long toC, float factor) {
    if (factor == 1f) {
      return;
    }
    long bytes = Math.max(key.m(), key.n()) * Float.BYTES;
    long zeros =
        memory.workspace(bytes + ProductPlan.WORKSPACE_BYTES) + ProductPlan.WORKSPACE_BYTES;
    device.check(
        "gemm",
        key,
        device
            .kernels()
            .rf_fill(
                device.context(),
                zeros,
                bytes / Float.BYTES,
                ElementTypes.code(DType.F32),
                1,
                bytes / Float.BYTES,
                0f));
    ProductKey zero =
        new ProductKey(
            key.m(),
            key.n(),
            1,
            false,
            false,
            1,
            key.n(),
            key.strideC(),
            key.inputs(),
            key.output(),
            key.alignments() & 0xFF0000 | 0x0808);
    multiply(zero, toC, zeros, zeros, 1f, factor);
  }

  private void multiply(ProductKey key, long toC, long toA, long toB, float factor, float addend) {
    ProductPlan plan = plans.get(key);
    if (plan == null) {
      plan = new ProductPlan(handle, key);
      plans.put(key, plan);
    }
    alpha.put(factor);
    beta.put(addend);
    addressC.at(toC);
    int status =
        cublas.cublasLtMatmul(
            handle,
            plan.operation,
            alpha,
            addressB.at(toB),
            plan.left,
            addressA.at(toA),
            plan.right,
            beta,
            addressC,
            plan.output,
            addressC,
            plan.output,
            plan.algorithm,
            workspace.at(plan.workspaceBytes == 0 ? 0 : memory.workspace(plan.workspaceBytes)),
            plan.workspaceBytes,
            stream);
    if (status != 0) {
      // A lost device is behind most failures, and its reason says more.
      if (!device.capturing()) {
        device.synchronize("gemm");
      }
      throw new BackendException(
          "gemm",
          status,
          false,
          "gemm " + key + ": cublasLtMatmul fails: " + CublasStatus.name(status));
    }
  }

  @Override
  public void close() {
    plans.values().forEach(ProductPlan::close);
    plans.clear();
    cublas.cublasLtDestroy(handle);
    handle.close();
    alpha.close();
    beta.close();
  }
}
