package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.Task;
import org.reformer4j.model.prove.ModelProofs;
import org.reformer4j.model.prove.Proof;

/** What {@code reformer prove} promises, on every backend. */
class ModelProofsTest {
  private static final int LAYERS = Boolean.getBoolean(TestBackends.FAKE_CUDA) ? 2 : 6;

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
      boolean fixed = arithmetic == ResidualArithmetic.FIXED_POINT;
      ReformerConfig config =
          TestModels.withDropout(TestModels.small(LAYERS))
              .residualArithmetic(arithmetic)
              .lshHashing(fixed ? LshHashing.INTEGER : LshHashing.FLOAT)
              .build();
      List<Proof> proofs = run(name, config);
      for (Proof proof : proofs) {
        assertFalse(proof.broken(), proof.toString());
        if (!proof.unit().startsWith("share") && !byRule(proof)) {
          assertTrue(proof.difference() <= 5e-4, proof.toString());
        }
      }
      // Among them two on the other backend: logits and buckets.
      assertEquals(11, proofs.size());
      assertEquals(fixed, find(proofs, "rebuilds what").exact());
      assertEquals(fixed, find(proofs, "gradients").exact());
      assertTrue(find(proofs, "same call").exact());
      // Which keys a token sees depends on later ones: measured, not hidden.
      assertFalse(find(proofs, "later token").exact());
      assertTrue(find(proofs, "later token").difference() > 0);
      assertTrue(find(proofs, "cache").difference() > 0);
      Proof buckets = find(proofs, "query-keys");
      assertEquals(fixed, buckets.exact());
      assertTrue(buckets.difference() < 0.01, buckets.toString());
      for (Proof masked : proofs) {
        if (masked.claim().contains("masked")) {
          // The first chunk of a round looks back at the masked tokens, which are sorted last.
          assertFalse(masked.exact());
          assertTrue(masked.difference() > 0);
        }
      }
    }
  }

  /** Where attention of several chunks is another function, not another way to compute it. */
  private static boolean byRule(Proof proof) {
    return proof.claim().contains("cache") || proof.claim().contains("masked");
  }

  /** Differences are found where there are some. */
  @ParameterizedTest
  @MethodSource("backends")
  void floatsDriftAndLocalLayersDoNotLeak(String name) {
    List<Proof> floats = run(name, TestModels.small(LAYERS).build());
    assertTrue(find(floats, "rebuilds what").difference() > 0);
    assertTrue(find(floats, "gradients").difference() > 0);
    ReformerConfig local =
        TestModels.small(2).attnLayers(AttentionKind.LOCAL, AttentionKind.LOCAL).build();
    boolean sameBits = name.equals("reference") || name.equals("cpu");
    List<Proof> locals = run(name, local);
    // On a card the library of products may sum in another order for another number of rows.
    boolean card = TestBackends.isCard(name);
    assertEquals(0.0, find(locals, "later token").difference());
    for (String claim : List.of("behind masked", "before masked")) {
      Proof proof = find(locals, claim);
      assertEquals(0.0, proof.difference(), card ? Tolerances.OUTPUT : 0.0, claim);
      assertEquals(sameBits, proof.exact(), claim);
    }
    assertEquals(name.equals("reference"), find(locals, "cache").exact());
    assertFalse(find(locals, "cache").broken());
    assertTrue(locals.stream().noneMatch(p -> p.claim().contains("query-keys")), "no hashes");
  }

  /** Where the past alone decides, neither later nor masked tokens matter, nor a cache. */
  @ParameterizedTest
  @MethodSource("backends")
  void causalSelectionPromisesMore(String name) {
    boolean sameBits = name.equals("reference") || name.equals("cpu");
    for (boolean distinct : new boolean[] {false, true}) {
      ReformerConfig config =
          TestModels.small(LAYERS)
              .lshSelection(LshSelection.CAUSAL)
              .lshDistinctKeys(distinct)
              .lshHashing(LshHashing.INTEGER)
              .build();
      List<Proof> proofs = run(name, config);
      for (Proof proof : proofs) {
        assertFalse(proof.broken(), proof.toString());
        assertTrue(proof.difference() <= 5e-4, proof.toString());
      }
      assertEquals(sameBits, find(proofs, "later token").exact());
      assertEquals(0.0, find(proofs, "later token").difference());
      assertEquals(sameBits, find(proofs, "behind masked").exact());
      assertEquals(sameBits, find(proofs, "before masked").exact());
      assertEquals(name.equals("reference"), find(proofs, "cache").exact());
      // The number of buckets that nobody sets depends on no text here, so it changes nothing.
      List<Proof> chosen = run(name, config.toBuilder().numBuckets(List.of()).build());
      for (int i = 0; i < chosen.size(); i++) {
        assertEquals(proofs.get(i).exact(), chosen.get(i).exact(), chosen.get(i).claim());
        assertFalse(chosen.get(i).broken(), chosen.get(i).toString());
      }
    }
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
