package org.reformer4j.tests;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.api.DType;
import org.reformer4j.kernels.CudaBackendProvider;
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

  private TestBackends() {}

  /** Returns the names of all usable backends. */
  public static List<String> names() {
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

  /**
   * Returns whether a backend is a card, whose library of products may sum in another order for
   * another number of rows.
   */
  static boolean isCard(String name) {
    return name.equals("cuda") && !Boolean.getBoolean(FAKE_CUDA);
  }

  /** Returns every usable backend with every one of these cases, for parameterised tests. */
  public static Stream<Arguments> with(Collection<?> cases) {
    return names().stream().flatMap(name -> cases.stream().map(c -> Arguments.of(name, c)));
  }

  /** Returns the usable backends that compute on activations of a type, none on some machines. */
  public static List<String> computing(DType type) {
    return names().stream()
        .filter(
            name -> {
              try (Backend backend = open(name)) {
                return backend.activationTypes().contains(type);
              }
            })
        .toList();
  }

  /** Returns whether a backend computes on bfloat16 activations. */
  public static boolean computeBfloat16() {
    return !computing(DType.BF16).isEmpty();
  }

  /** Returns every such backend with every one of these cases. */
  public static Stream<Arguments> bfloat16With(Collection<?> cases) {
    return computing(DType.BF16).stream()
        .flatMap(name -> cases.stream().map(c -> Arguments.of(name, c)));
  }

  /** Opens a backend by name. */
  public static Backend open(String name) {
    return open(name, BackendOptions.defaults());
  }

  /** Opens a backend by name with a number of threads. */
  public static Backend open(String name, int threads) {
    return open(name, BackendOptions.defaults().withThreads(threads));
  }

  /** Opens a backend by name with options. */
  static Backend open(String name, BackendOptions options) {
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
