package org.reformer4j.kernels;

import java.util.List;
import java.util.Optional;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.global.cublas;
import org.reformer4j.binding.KernelLibraries;
import org.reformer4j.binding.LibraryException;

/**
 * NVIDIA's libraries, as bytedeco's classes load them. The only place where these classes are first
 * touched: a class that could not be loaded gives its reason only once, so that it is kept here.
 */
final class NvidiaLibraries {
  private static final String JAR = "org.bytedeco:cuda:linux-x86_64";
  private static final List<String> BINDINGS =
      List.of(
          "/org/bytedeco/javacpp/linux-x86_64/libjnijavacpp.so",
          "/org/bytedeco/cuda/linux-x86_64/libjnicudart.so",
          "/org/bytedeco/cuda/linux-x86_64/libjnicublas.so");
  private static final List<String> LIBRARIES =
      List.of("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13");

  private static boolean probed;
  private static String reason;

  private NvidiaLibraries() {}

  /** Returns why cuBLASLt cannot be used, or nothing; the same in every call. */
  static synchronized Optional<String> problem() {
    if (!probed) {
      reason = probe();
      probed = true;
    }
    return Optional.ofNullable(reason);
  }

  private static String probe() {
    try {
      for (String binding : BINDINGS) {
        KernelLibraries.checkResource(binding, JAR);
      }
      for (String library : LIBRARIES) {
        SystemLibraries.check(library);
      }
      return create();
    } catch (LibraryException e) {
      return e.getMessage();
    } catch (LinkageError e) {
      return advice(LibraryException.rootCause(e));
    }
  }

  /** Creates and destroys a handle: only now it is certain that cuBLASLt works. */
  private static String create() {
    try (cublasLtContext handle = new cublasLtContext()) {
      int status = cublas.cublasLtCreate(handle);
      if (status != cublas.CUBLAS_STATUS_SUCCESS) {
        return "cublasLtCreate fails: " + CublasStatus.name(status);
      }
      cublas.cublasLtDestroy(handle);
      return null;
    }
  }

  /** Adds what to do about a library that the dynamic linker did not find. */
  private static String advice(String cause) {
    if (cause.contains("libcuda.so")) {
      return cause + ": install NVIDIA's driver (580 or newer)";
    }
    if (cause.contains("libcudart") || cause.contains("libcublas")) {
      return cause
          + ": install CUDA 13's runtime libraries and cuBLAS (packages cuda-cudart-13-0 and"
          + " libcublas-13-0) or add their folder to LD_LIBRARY_PATH";
    }
    if (cause.contains("jnicudart") || cause.contains("jnicublas")) {
      return "the jar with bytedeco's bindings is missing: add " + JAR + " (" + cause + ")";
    }
    return cause;
  }
}
