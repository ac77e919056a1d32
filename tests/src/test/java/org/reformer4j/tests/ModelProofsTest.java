package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.Task;
import org.reformer4j.model.prove.ModelProofs;
import org.reformer4j.model.prove.Proof;

/** What {@code reformer prove} promises, on every backend. */
class ModelProofsTest {
  static List<String> backends() {
    return TestBackends.names();
  }

  private static List<Proof> run(String name, ReformerConfig config) {
    try (Backend backend = TestBackends.open(name);
        Backend reference = TestBackends.reference();
        ReformerModel model = ReformerModel.create(config, backend, 3)) {
      return new ModelProofs(model, 60, 5).run(List.of(reference));
    }
  }

  private static Proof find(List<Proof> proofs, String words) {
    return proofs.stream().filter(p -> p.claim().contains(words)).findFirst().orElseThrow();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void promisesAreKept(String name) {
    for (ResidualArithmetic arithmetic : ResidualArithmetic.values()) {
      ReformerConfig config =
          TestModels.withDropout(TestModels.small(6)).residualArithmetic(arithmetic).build();
      List<Proof> proofs = run(name, config);
      boolean fixed = arithmetic == ResidualArithmetic.FIXED_POINT;
      for (Proof proof : proofs) {
        assertFalse(proof.broken(), proof.toString());
        if (!proof.unit().startsWith("share") && !proof.claim().contains("cache")) {
          assertTrue(proof.difference() <= 5e-4, proof.toString());
        }
      }
      assertEquals(8, proofs.size());
      assertEquals(fixed, find(proofs, "rebuilds what").exact());
      assertEquals(fixed, find(proofs, "gradients").exact());
      assertTrue(find(proofs, "same call").exact());
      // Which keys a token sees depends on later ones: measured, not hidden.
      assertFalse(find(proofs, "later token").exact());
      assertTrue(find(proofs, "later token").difference() > 0);
      assertTrue(find(proofs, "cache").difference() > 0);
    }
  }

  /** Differences are found where there are some. */
  @ParameterizedTest
  @MethodSource("backends")
  void floatsDriftAndLocalLayersDoNotLeak(String name) {
    List<Proof> floats = run(name, TestModels.small(6).build());
    assertTrue(find(floats, "rebuilds what").difference() > 0);
    assertTrue(find(floats, "gradients").difference() > 0);
    ReformerConfig local =
        TestModels.small(2).attnLayers(AttentionKind.LOCAL, AttentionKind.LOCAL).build();
    Proof future = find(run(name, local), "later token");
    assertEquals(0.0, future.difference());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void otherModelsAreRefused(String name) {
    ReformerConfig config = TestModels.small(2).build();
    try (Backend backend = TestBackends.open(name);
        ReformerModel classifier =
            ReformerModel.create(
                config, Task.SEQUENCE_CLASSIFICATION, backend, Precision.FLOAT32, 1);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      assertThrows(IllegalArgumentException.class, () -> new ModelProofs(classifier, 20, 1));
      assertThrows(IllegalArgumentException.class, () -> new ModelProofs(model, 100_000, 1));
    }
    assertTrue(new Proof("c", "u", true, 1e-9).broken());
    assertFalse(new Proof("c", "u", false, 1e-9).broken());
  }
}
