package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Rotations;
import org.reformer4j.model.Trace;

/** Models that hash integers. */
class LshHashingTest {
  private static final Rotations ROTATIONS = Rotations.counterBased(0, 0);
  private static final CallOptions CALL = CallOptions.EVALUATION;
  private static final int[] LENGTHS = {60, 33};

  static List<String> backends() {
    return TestBackends.names();
  }

  private static ReformerConfigBuilder integers(int layers) {
    return TestModels.small(layers).lshHashing(LshHashing.INTEGER);
  }

  private static Batch batch() {
    return Batch.of(TestModels.ids(LENGTHS[0], 1), TestModels.ids(LENGTHS[1], 2));
  }

  /** What the LSH layers of a model hashed, and into which buckets, by layer. */
  private record Hashed(Map<Integer, float[]> rows, Map<Integer, int[]> buckets) {
    static Hashed of(ReformerModel model, CallOptions call) {
      Hashed hashed = new Hashed(new HashMap<>(), new HashMap<>());
      Backend backend = model.backend();
      model.logits(
          batch(),
          call.withTrace(
              new Trace() {
                @Override
                public void buckets(int layer, Tensor buckets, HashSpec hash) {
                  hashed.buckets.put(layer, backend.downloadInts(buckets));
                }

                @Override
                public void projected(int layer, Tensor first, Tensor second, Tensor values) {
                  hashed.rows.put(layer, backend.download(first));
                }
              }));
      return hashed;
    }
  }

  /** Hashes rows of a layer as a model of this config does. */
  private static int[] hash(Backend backend, ReformerConfig config, int layer, float[] rows) {
    Sequences sequences = Sequences.of(LENGTHS[0], LENGTHS, new int[] {64, 40});
    HashSpec hash = new HashSpec(config.numHashes(), config.numBuckets());
    int heads = config.numAttentionHeads();
    AttentionSpec spec =
        new AttentionSpec(
            sequences, heads, config.attentionHeadSize(), 8, 1, 0, true, Dropout.NONE);
    try (TensorScope scope = backend.scope("test")) {
      Tensor x = scope.allocate(DType.F32, sequences.rows(), config.allHeadSize());
      backend.upload(x, rows);
      Tensor buckets = scope.allocate(DType.I32, 2, heads, hash.rounds(), LENGTHS[0]);
      Tensor rotations =
          config.lshHashing().rotations(ROTATIONS, layer, config, hash, scope, backend);
      backend.lshBuckets(buckets, x, rotations, null, spec, hash);
      return backend.downloadInts(buckets);
    }
  }

  private static void sameBuckets(String name, Precision precision) {
    ReformerConfig config = integers(4).build();
    try (Backend backend = TestBackends.open(name);
        Backend reference = TestBackends.reference();
        ReformerModel model = ReformerModel.create(config, backend, precision, 1)) {
      Hashed hashed = Hashed.of(model, CALL.withRotations(ROTATIONS));
      assertEquals(2, hashed.buckets.size(), "LSH layers");
      hashed.buckets.forEach(
          (layer, buckets) -> {
            assertTrue(Arrays.stream(buckets).distinct().count() > 7, "layer " + layer);
            assertArrayEquals(hash(reference, config, layer, hashed.rows.get(layer)), buckets);
          });
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theSameRowsFallIntoTheBucketsOfTheReference(String name) {
    sameBuckets(name, Precision.FLOAT32);
  }

  /** bfloat16 numbers are floats, so the reference backend can hash them. */
  @ParameterizedTest
  @MethodSource("backends")
  void soDoRowsOfBfloat16(String name) {
    if (TestBackends.computing(DType.BF16).contains(name)) {
      sameBuckets(name, Precision.BFLOAT16);
    } else {
      try (Backend backend = TestBackends.open(name)) {
        ReformerConfig config = integers(2).build();
        assertThrows(
            IllegalArgumentException.class,
            () -> ReformerModel.create(config, backend, Precision.BFLOAT16, 1));
      }
    }
  }

  /**
   * In a single layer, what a token is projected to does not depend on others: new tokens are
   * hashed as with the prompt, so both ways know the same rows and buckets.
   */
  @ParameterizedTest
  @MethodSource("backends")
  void newTokensAreHashedAsWithThePrompt(String name) {
    for (LshHashing hashing : LshHashing.values()) {
      ReformerConfig config =
          TestModels.small(1).attnLayers(AttentionKind.LSH).lshHashing(hashing).build();
      int[] ids = TestModels.ids(40, 3);
      boolean card = TestBackends.isCard(name);
      float tolerance = card ? (float) Tolerances.OUTPUT : 0f;
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1);
          DecodeCache whole = model.decodeCache(CALL)) {
        whole.prompt(Batch.of(ids));
        float[] expected = whole.append(5);
        // One cache is hashed with its prompt, the other when later tokens fill a chunk.
        for (int prompt : new int[] {21, 5}) {
          try (DecodeCache grown = model.decodeCache(CALL)) {
            grown.prompt(Batch.of(Arrays.copyOf(ids, prompt)));
            for (int t = prompt; t < ids.length; t++) {
              grown.append(ids[t]);
            }
            assertArrayEquals(expected, grown.append(5), tolerance, hashing + " " + prompt);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void givenFloatsAreRefused(String name) {
    ReformerConfig config = integers(1).build();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      CallOptions given = CALL.withRotations(Rotations.given(Map.of(0, new float[2 * 8 * 2 * 4])));
      IllegalArgumentException error =
          assertThrows(IllegalArgumentException.class, () -> model.logits(batch(), given));
      assertTrue(error.getMessage().contains("set lsh_hashing to float"), error.getMessage());
      assertEquals(0, Hashed.of(model, CALL).buckets.size() - 1, "it goes on");
    }
  }
}
