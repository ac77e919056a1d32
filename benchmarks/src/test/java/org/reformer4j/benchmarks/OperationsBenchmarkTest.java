package org.reformer4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.openjdk.jmh.annotations.Benchmark;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.model.Backends;

/** Every benchmark runs on every backend that can be used here. */
class OperationsBenchmarkTest {
  static Stream<String> backends() {
    return Backends.statuses().stream().filter(BackendStatus::available).map(BackendStatus::name);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void runs(String backend) throws ReflectiveOperationException {
    List<Method> benchmarks =
        Arrays.stream(OperationsBenchmark.class.getMethods())
            .filter(method -> method.isAnnotationPresent(Benchmark.class))
            .toList();
    assertTrue(benchmarks.size() >= 11, benchmarks.toString());
    OperationsBenchmark state = new OperationsBenchmark();
    state.backend = backend;
    state.tokens = 256;
    state.rounds = 2;
    state.threads = 1;
    state.open();
    try {
      for (Method benchmark : benchmarks) {
        benchmark.invoke(state);
      }
    } finally {
      state.close();
    }
  }
}
