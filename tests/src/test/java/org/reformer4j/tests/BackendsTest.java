package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Backends;

/** Every backend found: one that cannot be used here is reported as skipped, with its reason. */
class BackendsTest {
  static List<BackendStatus> statuses() {
    return Backends.statuses();
  }

  @ParameterizedTest
  @MethodSource("statuses")
  void opensAndClosesOrSaysWhyNot(BackendStatus status) {
    Assumptions.assumeTrue(status.available(), () -> status.name() + ": " + status.reason());
    Backend backend = TestBackends.open(status.name());
    assertEquals(status.name(), backend.name());
    assertEquals(0, backend.liveBytes());
    TensorScope scope = backend.scope("test");
    Tensor tensor = scope.allocate(DType.F32, 3, 4);
    backend.fill(tensor, 1.5f);
    assertEquals(1.5f, backend.download(tensor)[11]);
    assertEquals(48, backend.liveBytes());
    scope.close();
    assertEquals(0, backend.liveBytes());
    backend.close();
    // Closing again does nothing, as AutoCloseable recommends.
    backend.close();
    IllegalStateException error =
        assertThrows(IllegalStateException.class, () -> backend.fill(tensor, 0f));
    assertTrue(error.getMessage().contains("closed"), error.getMessage());
  }

  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.TestBackends#names")
  void countsTheMultiplyAddsThatItDoes(String name) {
    try (Backend backend = TestBackends.open(name, 2)) {
      double once = backend.multiplyAdds(1);
      assertEquals(name.equals("cpu"), once > 0, "operations: " + once);
      assertEquals(1000 * once, backend.multiplyAdds(1000));
    }
  }
}
