package org.reformer4j.kernels;

import java.util.Arrays;
import java.util.Locale;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Rate of matrix products through the whole chain, Java to cuBLASLt; run by tools/gpu-bundle.
 *
 * <p>Prints one line per product: TFLOP/s of the median of seven batches of ten.
 */
final class GemmBenchmark {
  private GemmBenchmark() {}

  public static void main(String[] args) {
    boolean rehearsal = Boolean.getBoolean(SimulatedCuda.PROPERTY);
    try (Backend backend = SimulatedCuda.open()) {
      System.out.println("# " + backend.description());
      for (DType type : new DType[] {DType.BF16, DType.F32}) {
        for (int[] size :
            new int[][] {{8192, 8192, 8192}, {65536, 2048, 1024}, {4224, 4096, 1024}}) {
          measure(backend, type, rehearsal ? new int[] {64, 32, 48} : size, rehearsal ? 1 : 10);
        }
      }
    }
  }

  private static void measure(Backend backend, DType type, int[] size, int calls) {
    try (TensorScope scope = backend.scope("benchmark")) {
      Tensor a = scope.allocate(type, size[0], size[2]);
      Tensor b = scope.allocate(type, size[1], size[2]);
      Tensor c = scope.allocate(type, size[0], size[1]);
      backend.fill(a, 0.5f);
      backend.fill(b, 0.25f);
      double[] seconds = new double[7];
      for (int batch = -1; batch < seconds.length; batch++) {
        backend.synchronize();
        long start = System.nanoTime();
        for (int i = 0; i < calls; i++) {
          backend.gemm(c, a, false, b, true, 1f, 0f);
        }
        backend.synchronize();
        if (batch >= 0) {
          seconds[batch] = (System.nanoTime() - start) * 1e-9 / calls;
        }
      }
      Arrays.sort(seconds);
      double flop = 2.0 * size[0] * size[1] * size[2];
      System.out.printf(
          Locale.ROOT,
          "gemm_%s_%dx%dx%d_TFLOPs %.1f%n",
          type.name().toLowerCase(Locale.ROOT),
          size[0],
          size[1],
          size[2],
          flop / seconds[seconds.length / 2] * 1e-12);
    }
  }
}
