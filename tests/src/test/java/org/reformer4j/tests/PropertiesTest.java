package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

/** What changes no bit, and what undoes what. */
class PropertiesTest {
  private static final CallOptions TRAINING = CallOptions.training(7, 3);

  static List<String> backends() {
    return TestBackends.names();
  }

  static Stream<Arguments> causalOrNot() {
    return TestBackends.with(List.of(true, false));
  }

  /** Loss and all gradients of a step, as one array. */
  private static float[] step(
      String name, ReformerConfig config, Batch batch, CallOptions options, int threads) {
    try (Backend backend = TestBackends.open(name, threads);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      model.enableTraining();
      return TestModels.lossAndGradients(model, batch, options);
    }
  }

  private static float[] logits(String name, ReformerConfig config, Batch batch) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      return model.logits(batch, CallOptions.EVALUATION);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void threadsChangeNoBit(String name) {
    ReformerConfig config = TestModels.withDropout(TestModels.small(4)).build();
    Batch batch = TestModels.batch(3, 50, 5);
    float[] one = step(name, config, batch, TRAINING, 1);
    assertTrue(Float.isFinite(one[0]) && one[0] > 1);
    assertArrayEquals(one, step(name, config, batch, TRAINING, 1), "two runs");
    assertArrayEquals(one, step(name, config, batch, TRAINING, 2), "2 threads");
    assertArrayEquals(one, step(name, config, batch, TRAINING, 3), "3 threads");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void chunkSizesChangeNoBit(String name) {
    ReformerConfig whole = TestModels.withDropout(TestModels.small(2)).build();
    Batch batch = TestModels.batch(2, 40, 6);
    float[] expected = step(name, whole, batch, TRAINING, 2);
    for (int chunk : new int[] {1, 3, 7, 80}) {
      ReformerConfig chunked =
          whole.toBuilder().chunkSizeFeedForward(chunk).chunkSizeLmHead(chunk).build();
      assertArrayEquals(expected, step(name, chunked, batch, TRAINING, 2), "chunk " + chunk);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void stepsAndSeedsChangeDropout(String name) {
    ReformerConfig config = TestModels.withDropout(TestModels.small(2)).build();
    Batch batch = TestModels.batch(1, 32, 6);
    float[] first = step(name, config, batch, CallOptions.training(7, 3), 2);
    assertFalse(Arrays.equals(first, step(name, config, batch, CallOptions.training(7, 4), 2)));
    assertFalse(Arrays.equals(first, step(name, config, batch, CallOptions.training(8, 3), 2)));
  }

  @ParameterizedTest
  @MethodSource("causalOrNot")
  void raggedBatchEqualsSingleRuns(String name, boolean causal) {
    int[] lengths = {1, 5, 8, 9, 17, 33, 50, 64};
    ReformerConfig config =
        TestModels.small(4)
            .isDecoder(causal)
            .localAttnChunkLength(16)
            .lshNumChunksAfter(causal ? 0 : 1)
            .build();
    int[][] sequences = new int[lengths.length][];
    for (int b = 0; b < lengths.length; b++) {
      sequences[b] = TestModels.ids(lengths[b], 100 + b);
    }
    float[] together = logits(name, config, Batch.of(sequences));
    int stride = 64 * TestModels.VOCABULARY;
    for (int b = 0; b < lengths.length; b++) {
      float[] alone = logits(name, config, Batch.of(sequences[b]));
      float[] row =
          Arrays.copyOfRange(together, b * stride, b * stride + lengths[b] * TestModels.VOCABULARY);
      assertArrayEquals(alone, row, "length " + lengths[b]);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void raggedLossIsTheMeanOverRealTargets(String name) {
    ReformerConfig config = TestModels.small(2).build();
    int[] first = TestModels.ids(20, 1);
    int[] second = TestModels.ids(33, 2);
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      double one = loss(model, Batch.of(first), first);
      double two = loss(model, Batch.of(second), second);
      Batch both = Batch.of(first, second);
      int[] labels = new int[2 * 33];
      System.arraycopy(first, 0, labels, 0, 20);
      System.arraycopy(second, 0, labels, 33, 33);
      double together = loss(model, both, labels);
      assertEquals((one * 19 + two * 32) / 51, together, 1e-7);
    }
  }

  private static double loss(ReformerModel model, Batch batch, int[] labels) {
    return model.loss(batch.withCausalLabels(labels), CallOptions.EVALUATION);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void batchRowsAreIndependent(String name) {
    ReformerConfig config = TestModels.small(4).build();
    int[] a = TestModels.ids(48, 1);
    int[] b = TestModels.ids(48, 2);
    int[] c = TestModels.ids(48, 3);
    float[] abc = logits(name, config, Batch.of(a, b, c));
    float[] cab = logits(name, config, Batch.of(c, a, b));
    int row = 48 * TestModels.VOCABULARY;
    assertArrayEquals(slice(abc, 0, row), slice(cab, row, row), "a");
    assertArrayEquals(slice(abc, row, row), slice(cab, 2 * row, row), "b");
    assertArrayEquals(slice(abc, 2 * row, row), slice(cab, 0, row), "c");
  }

  private static float[] slice(float[] all, int from, int count) {
    return Arrays.copyOfRange(all, from, from + count);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void causalModelsIgnoreTheValuesOfTheFuture(String name) {
    // Local layers only: which keys an LSH layer selects does depend on the future (semantics of
    // the paper), what it reads does not.
    ReformerConfig config =
        TestModels.small(3).attnLayers(List.of(AttentionKind.LOCAL, AttentionKind.LOCAL)).build();
    int[] ids = TestModels.ids(40, 4);
    float[] before = logits(name, config, Batch.of(ids));
    ids[39] = (ids[39] + 1) % TestModels.VOCABULARY;
    float[] after = logits(name, config, Batch.of(ids));
    int earlier = 39 * TestModels.VOCABULARY;
    assertArrayEquals(slice(before, 0, earlier), slice(after, 0, earlier));
    assertFalse(Arrays.equals(before, after));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void inverseUndoesForwardWithAndWithoutDropout(String name) {
    for (boolean dropout : new boolean[] {false, true}) {
      ReformerConfig config =
          (dropout ? TestModels.withDropout(TestModels.small(12)) : TestModels.small(12)).build();
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1)) {
        double[] largest = {0};
        CallOptions options = TRAINING.withTrace(largest(backend, largest));
        double[] errors = new double[9];
        for (int i = 0; i < errors.length; i++) {
          errors[i] = model.reconstructionError(TestModels.batch(2, 45, 3 + i), options);
        }
        Arrays.sort(errors);
        System.out.printf(
            "PropertiesTest: %s: 12 layers rebuilt to %.1e (at most %.1e) of streams up to %.1f,"
                + " dropout %s%n",
            name, errors[4], errors[8], largest[0], dropout);
        assertTrue(errors[4] < Tolerances.RECONSTRUCTION * largest[0], "median " + errors[4]);
        assertTrue(
            errors[8] < Tolerances.RECONSTRUCTION_WORST * largest[0], "largest " + errors[8]);
      }
    }
  }

  private static Trace largest(Backend backend, double[] largest) {
    return new Trace() {
      @Override
      public void layerInput(int layer, Tensor x1, Tensor x2) {
        for (Tensor stream : List.of(x1, x2)) {
          for (float value : backend.download(stream)) {
            largest[0] = Math.max(largest[0], Math.abs(value));
          }
        }
      }
    };
  }
}
