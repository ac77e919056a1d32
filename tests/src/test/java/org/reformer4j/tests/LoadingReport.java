package org.reformer4j.tests;

import java.nio.file.Path;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.kernels.CpuBackendProvider;
import org.reformer4j.kernels.CudaBackendProvider;
import org.reformer4j.model.Backends;

/** What a program sees of the native backends, and whether the best of all still computes. */
public final class LoadingReport {
  private LoadingReport() {}

  /**
   * Returns what CUDA computes, which backend is the best and what that computes, the reason why
   * CUDA is usable or not, and the same of the CPU backend.
   *
   * @param kernels a kernel library, or empty for the bundled one
   */
  public static String of(String kernels) {
    BackendProvider cuda =
        kernels.isEmpty() ? new CudaBackendProvider() : new CudaBackendProvider(Path.of(kernels));
    BackendStatus first = cuda.probe();
    BackendStatus second = cuda.probe();
    if (!first.equals(second)) {
      return "the reason changes: " + first + " then " + second;
    }
    if (Backends.statuses().stream().noneMatch(status -> status.name().equals("cuda"))) {
      return "the service loader does not find the provider";
    }
    String product = "-";
    if (first.available()) {
      try (Backend backend = cuda.open(BackendOptions.defaults())) {
        product = product(backend);
      }
    }
    BackendStatus cpu = new CpuBackendProvider().probe();
    if (!Backends.statuses().contains(cpu)) {
      return "the service loader does not find " + cpu;
    }
    try (Backend backend = Backends.open("auto", BackendOptions.defaults()).backend()) {
      return String.join(
          "\t", product, backend.name(), product(backend), first.reason(), cpu.reason());
    }
  }

  private static String product(Backend backend) {
    try (TensorScope scope = backend.scope("test")) {
      Tensor a = scope.allocate(DType.F32, 2, 3);
      Tensor c = scope.allocate(DType.F32, 2, 2);
      backend.upload(a, new float[] {1, 2, 3, 4, 5, 6});
      backend.gemm(c, a, false, a, true, 1f, 0f);
      return java.util.Arrays.toString(backend.download(c));
    }
  }
}
