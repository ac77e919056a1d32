package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.prove.DepthDrift;

/** Rebuilt against stored inputs of layers, by depth. */
class DepthDriftTest {
  private static final boolean SIMULATED = Boolean.getBoolean(TestBackends.FAKE_CUDA);

  static List<String> backends() {
    return TestBackends.names();
  }

  private static DepthDrift measure(
      Backend backend, int layers, Precision precision, ResidualArithmetic arithmetic) {
    return DepthDrift.measure(
        TestModels.withDropout(TestModels.small(2)).lshHashing(LshHashing.INTEGER).build(),
        layers,
        precision,
        arithmetic,
        backend,
        60,
        1);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void floatsDriftWithTheDepthAndIntegersDoNot(String name) {
    int deep = SIMULATED ? 6 : 24;
    try (Backend backend = TestBackends.open(name)) {
      for (Precision precision : Precision.values()) {
        if (!backend.activationTypes().contains(precision.activations())) {
          continue;
        }
        DepthDrift shallow = measure(backend, 1, precision, ResidualArithmetic.FLOAT);
        DepthDrift floats = measure(backend, deep, precision, ResidualArithmetic.FLOAT);
        assertTrue(floats.inputs() > 2 * shallow.inputs(), floats + " " + shallow);
        assertTrue(floats.gradients() > 2 * shallow.gradients(), floats + " " + shallow);
        boolean rounded = precision.activations() == DType.BF16;
        assertTrue(floats.inputs() < (rounded ? 0.1 : 1e-4), floats.toString());
        assertFalse(floats.broken());
        DepthDrift exact = measure(backend, deep, precision, ResidualArithmetic.FIXED_POINT);
        assertEquals(0.0, exact.inputs());
        assertEquals(0.0, exact.gradients());
        assertFalse(exact.broken());
      }
    }
  }

  @Test
  void depthsAndPromisesAreChecked() {
    DepthDrift drift =
        new DepthDrift(2, Precision.FLOAT32, ResidualArithmetic.FIXED_POINT, 0, 1e-9);
    assertTrue(drift.broken());
    try (Backend backend = TestBackends.reference()) {
      assertThrows(
          IllegalArgumentException.class,
          () -> measure(backend, 0, Precision.FLOAT32, ResidualArithmetic.FLOAT));
    }
  }
}
