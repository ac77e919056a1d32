package org.reformer4j.kernels;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.binding.KernelLibraries;
import org.reformer4j.binding.KernelLibrary;
import org.reformer4j.binding.LibraryException;

/** Offers the CUDA backend, where there is a GPU with its driver, the CUDA runtime and cuBLAS. */
public final class CudaBackendProvider implements BackendProvider {
  static final String NAME = "cuda";

  private static final KernelBackend.Parts PARTS =
      new KernelBackend.Parts() {
        @Override
        public Products products(Device device, DeviceMemory memory) {
          return new CublasProducts(device, memory);
        }

        @Override
        public FeedForwards feedForwards(Device device, DeviceMemory memory, Products products) {
          return new FeedForwardKernels(device, memory, products);
        }
      };

  /** File name of the kernel library that comes with this module. */
  private static final String BUNDLED = "libreformer_cuda.so";

  /** CUDA's code for a driver that is missing or older than the runtime. */
  private static final int INSUFFICIENT_DRIVER = 35;

  /** Null for the library that comes with this module. */
  private final Path kernels;

  /** Uses the kernels that come with this module. */
  public CudaBackendProvider() {
    this.kernels = null;
  }

  /**
   * Uses kernels of one's own.
   *
   * @param kernelLibrary a library that exports the functions of {@code reformer_kernels.h}
   */
  public CudaBackendProvider(Path kernelLibrary) {
    this.kernels = Objects.requireNonNull(kernelLibrary, "kernelLibrary");
  }

  @Override
  public String name() {
    return NAME;
  }

  /** Above everything else. */
  @Override
  public int preference() {
    return 300;
  }

  @Override
  public BackendStatus probe() {
    try {
      KernelLibrary library = library();
      SystemLibraries.check(SystemLibraries.DRIVER);
      int[] count = new int[1];
      int status = library.rf_device_count(count);
      Optional<String> problem =
          status != 0 || count[0] == 0
              ? Optional.of(noDevice(library, status))
              : NvidiaLibraries.problem();
      return problem.isPresent()
          ? refused(problem.get())
          : new BackendStatus(name(), true, library.rf_description() + ", devices: " + count[0]);
    } catch (LibraryException e) {
      return refused(e.getMessage());
    } catch (LinkageError e) {
      return refused(LibraryException.rootCause(e));
    }
  }

  @Override
  public Backend open(BackendOptions options) {
    BackendStatus status = probe();
    if (!status.available()) {
      throw new BackendException("open", 0, false, status.reason());
    }
    try {
      return KernelBackend.open(Device.cuda(library()), PARTS, options);
    } catch (LibraryException e) {
      throw new BackendException("open", 0, false, e.getMessage());
    }
  }

  private KernelLibrary library() throws LibraryException {
    return kernels == null ? KernelLibraries.bundled(BUNDLED) : KernelLibraries.file(kernels);
  }

  private BackendStatus refused(String reason) {
    return new BackendStatus(name(), false, reason);
  }

  private static String noDevice(KernelLibrary library, int status) {
    if (status == 0) {
      return "there is no CUDA device";
    }
    String text = library.rf_status_name(status) + ", " + library.rf_status_text(status);
    return status == INSUFFICIENT_DRIVER
        ? "no NVIDIA driver, or one that is too old (" + text + "): install 580 or newer"
        : "no usable CUDA device: " + text;
  }
}
