package org.reformer4j.tests;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.cuda.CudaBackendProvider;
import org.reformer4j.model.Backends;

/**
 * The backends that tests run on: every one that can be used here. In the test run that has the
 * stand-ins for NVIDIA's libraries it is the CUDA backend over simulated kernels, alone.
 */
public final class TestBackends {
  /** True in the test run that has the stand-ins for NVIDIA's libraries. */
  public static final String FAKE_CUDA = "reformer.fakecuda";

  /** Names a backend without which these tests prove nothing, as on a machine with a card. */
  private static final String REQUIRED = "reformer.tests.require";

  /** Operations that a backend gets with a later release. */
  private static final Map<String, Set<String>> LATER =
      Map.of(
          "cuda",
          Set.of(
              "lshAttention",
              "lshAttentionBackward",
              "localAttention",
              "localAttentionBackward",
              "feedForward",
              "feedForwardBackward"));

  private TestBackends() {}

  /** Returns the names of the usable backends that have every operation, so that models run. */
  public static List<String> names() {
    return usable().stream().filter(name -> !LATER.containsKey(name)).toList();
  }

  /** Returns the names of all usable backends, also those that lack operations. */
  public static List<String> usable() {
    if (Boolean.getBoolean(FAKE_CUDA)) {
      return List.of("cuda");
    }
    List<BackendStatus> statuses = Backends.statuses();
    String required = System.getProperty(REQUIRED);
    for (BackendStatus status : statuses) {
      if (status.name().equals(required) && !status.available()) {
        throw new IllegalStateException(required + " is required here: " + status.reason());
      }
    }
    statuses.stream()
        .filter(status -> !status.available())
        .forEach(status -> System.out.println("skipped backend " + status));
    return statuses.stream().filter(BackendStatus::available).map(BackendStatus::name).toList();
  }

  /** Returns whether a backend has an operation already. */
  public static boolean has(String backend, String op) {
    return !LATER.getOrDefault(backend, Set.of()).contains(op);
  }

  /** Returns every backend that runs models with every one of these cases. */
  public static Stream<Arguments> with(Collection<?> cases) {
    return with(names(), cases);
  }

  /** Returns every one of these backends with every one of these cases. */
  public static Stream<Arguments> with(List<String> backends, Collection<?> cases) {
    return backends.stream().flatMap(name -> cases.stream().map(c -> Arguments.of(name, c)));
  }

  /** Opens a backend by name. */
  public static Backend open(String name) {
    return open(name, BackendOptions.defaults());
  }

  /** Opens a backend by name with a number of threads. */
  public static Backend open(String name, int threads) {
    return open(name, BackendOptions.defaults().withThreads(threads));
  }

  private static Backend open(String name, BackendOptions options) {
    return name.equals("cuda") && Boolean.getBoolean(FAKE_CUDA)
        ? simulatedCuda().open(options)
        : Backends.open(name, options).backend();
  }

  /** Returns the CUDA backend with kernels that run on the CPU. */
  public static CudaBackendProvider simulatedCuda() {
    String install = System.getProperty("reformer.native.install");
    return new CudaBackendProvider(Path.of(install, "lib", "libreformer_cuda_simulated.so"));
  }

  /** Opens the oracle with one thread per processor. */
  public static Backend reference() {
    return open("reference");
  }
}
