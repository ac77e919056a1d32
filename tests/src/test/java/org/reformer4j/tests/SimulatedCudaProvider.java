package org.reformer4j.tests;

import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;

/**
 * Offers the CUDA backend over simulated kernels as {@code simulated}, so that tools/gpu-bundle can
 * rehearse commands with it. It is in no service file of this module; the bundle brings one.
 */
public final class SimulatedCudaProvider implements BackendProvider {
  private final BackendProvider cuda = TestBackends.simulatedCuda();

  /** Made by {@link java.util.ServiceLoader}. */
  public SimulatedCudaProvider() {}

  @Override
  public String name() {
    return "simulated";
  }

  @Override
  public int preference() {
    return 1;
  }

  @Override
  public BackendStatus probe() {
    BackendStatus status = cuda.probe();
    return new BackendStatus(name(), status.available(), status.reason());
  }

  @Override
  public Backend open(BackendOptions options) {
    return cuda.open(options);
  }
}
