package org.reformer4j.kernels;

import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.binding.KernelLibraries;
import org.reformer4j.binding.KernelLibrary;
import org.reformer4j.binding.LibraryException;

/** Offers the native CPU backend, where its kernel library can be loaded. */
public final class CpuBackendProvider implements BackendProvider {
  static final String NAME = "cpu";

  private static final KernelBackend.Parts PARTS =
      new KernelBackend.Parts() {
        @Override
        public Products products(Device device, DeviceMemory memory) {
          return new CpuProducts(device, memory);
        }

        @Override
        public FeedForwards feedForwards(Device device, DeviceMemory memory, Products products) {
          return new CpuFeedForward(device, memory);
        }
      };

  /** File name of the kernel library that comes with this module. */
  private static final String BUNDLED = "libreformer_cpu.so";

  /** Made by {@link java.util.ServiceLoader}. */
  public CpuBackendProvider() {}

  @Override
  public String name() {
    return NAME;
  }

  /** Below a GPU, above plain Java. */
  @Override
  public int preference() {
    return 200;
  }

  @Override
  public BackendStatus probe() {
    try {
      return new BackendStatus(NAME, true, KernelLibraries.bundled(BUNDLED).rf_description());
    } catch (LibraryException e) {
      return new BackendStatus(NAME, false, e.getMessage());
    } catch (LinkageError e) {
      return new BackendStatus(NAME, false, LibraryException.rootCause(e));
    }
  }

  @Override
  public Backend open(BackendOptions options) {
    BackendStatus status = probe();
    if (!status.available()) {
      throw new BackendException("open", 0, false, status.reason());
    }
    try {
      KernelLibrary kernels = KernelLibraries.bundled(BUNDLED);
      return KernelBackend.open(Device.cpu(kernels, options.threads()), PARTS, options);
    } catch (LibraryException e) {
      throw new BackendException("open", 0, false, e.getMessage());
    }
  }
}
