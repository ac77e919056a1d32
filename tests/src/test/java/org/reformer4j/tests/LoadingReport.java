package org.reformer4j.tests;

import java.nio.file.Path;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.kernels.CudaBackendProvider;
import org.reformer4j.model.Backends;

/** What a program sees of the CUDA backend, and whether the reference backend still computes. */
public final class LoadingReport {
  private LoadingReport() {}

  /**
   * Returns whether CUDA is usable, what it and the reference backend compute, and the reason.
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
    try (Backend backend = Backends.open("auto", BackendOptions.defaults()).backend()) {
      return product + "\t" + backend.name() + "\t" + product(backend) + "\t" + first.reason();
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
