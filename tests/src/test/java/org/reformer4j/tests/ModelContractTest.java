package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Backends;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

/** What a failed call leaves behind, and what one sequence of a batch knows of the others. */
class ModelContractTest {
  static List<String> backends() {
    return TestBackends.names();
  }

  private static int[] ones(int n) {
    int[] mask = new int[n];
    Arrays.fill(mask, 1);
    return mask;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aStepThatDoesNotFitLeavesNothingBehind(String name) {
    ReformerConfig config = TestModels.withDropout(TestModels.small(2)).build();
    Batch batch = TestModels.batch(2, 40, 1);
    long resident;
    long peak;
    float[] expected;
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      model.enableTraining();
      resident = backend.liveBytes();
      backend.resetPeak();
      model.lossAndGradients(batch, CallOptions.training(1, 1), 1f);
      peak = backend.peakBytes();
      expected = model.logits(batch, CallOptions.EVALUATION);
    }
    // From room for hardly anything to room for all but the last byte: the step fails in the
    // embeddings, in the branches, in the head and in the backward pass.
    int failures = 0;
    for (double share : new double[] {0.01, 0.2, 0.4, 0.6, 0.8, 0.9, 1}) {
      long limit = Math.min(peak - 1, resident + (long) (share * (peak - resident)));
      BackendOptions options = new BackendOptions(2, limit);
      try (Backend backend = Backends.open(name, options).backend();
          ReformerModel model = ReformerModel.create(config, backend, 1)) {
        model.enableTraining();
        assertThrows(
            OutOfDeviceMemoryException.class,
            () -> model.lossAndGradients(batch, CallOptions.training(1, 1), 1f),
            "limit " + limit);
        assertEquals(resident, backend.liveBytes(), "live bytes after a failure at " + limit);
        Batch small = Batch.of(new int[] {1});
        if (share > 0.5) {
          assertEquals(TestModels.VOCABULARY, model.logits(small, CallOptions.EVALUATION).length);
        }
        failures++;
      }
    }
    assertEquals(7, failures);
    BackendOptions enough = new BackendOptions(2, peak);
    try (Backend backend = Backends.open(name, enough).backend();
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      model.enableTraining();
      model.lossAndGradients(batch, CallOptions.training(1, 1), 1f);
      assertArrayEquals(expected, model.logits(batch, CallOptions.EVALUATION));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void anObserverThatThrowsLeavesNothingBehind(String name) {
    Batch batch = TestModels.batch(1, 24, 1);
    Trace thrower =
        new Trace() {
          @Override
          public void rebuilt(int layer, Tensor x1, Tensor x2, Tensor dX1, Tensor dX2) {
            throw new UnsupportedOperationException("enough");
          }
        };
    try (Backend backend = TestBackends.open(name)) {
      ReformerModel model = ReformerModel.create(TestModels.small(2).build(), backend, 1);
      model.enableTraining();
      long resident = backend.liveBytes();
      CallOptions options = CallOptions.training(1, 1).withTrace(thrower);
      assertThrows(
          UnsupportedOperationException.class, () -> model.lossAndGradients(batch, options, 1f));
      assertEquals(resident, backend.liveBytes());
      assertTrue(Double.isFinite(model.loss(batch, CallOptions.EVALUATION)));
      model.close();
      assertEquals(0, backend.liveBytes());
      assertThrows(IllegalStateException.class, () -> model.logits(batch, CallOptions.EVALUATION));
    }
  }

  /** Streams and their gradients at the bottom of the stack, in evaluation mode. */
  private static Map<String, float[]> bottom(String name, ReformerConfig config, Batch batch) {
    Map<String, float[]> seen = new HashMap<>();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      model.enableTraining();
      Trace trace =
          new Trace() {
            @Override
            public void rebuilt(int layer, Tensor x1, Tensor x2, Tensor dX1, Tensor dX2) {
              if (layer == 0) {
                seen.put("x1", backend.download(x1));
                seen.put("x2", backend.download(x2));
                seen.put("dX1", backend.download(dX1));
                seen.put("dX2", backend.download(dX2));
              }
            }
          };
      // A weight of the number of targets makes the gradient that of the sum of all losses.
      model.lossAndGradients(batch, CallOptions.EVALUATION.withTrace(trace), batch.targetCount());
    }
    return seen;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gradientsOfARaggedBatchAreThoseOfSingleRuns(String name) {
    int[] lengths = {1, 5, 16, 17, 33, 50, 64};
    int width = 16;
    for (boolean causal : new boolean[] {true, false}) {
      ReformerConfig config =
          TestModels.small(4)
              .isDecoder(causal)
              .localAttnChunkLength(16)
              .localNumChunksAfter(causal ? 0 : 1)
              .build();
      int[][] sequences = new int[lengths.length][];
      int[] targets = new int[lengths.length * 64];
      for (int b = 0; b < lengths.length; b++) {
        sequences[b] = TestModels.ids(lengths[b], 100 + b);
        System.arraycopy(TestModels.ids(lengths[b], 200 + b), 0, targets, b * 64, lengths[b]);
      }
      Map<String, float[]> together =
          bottom(name, config, Batch.of(sequences).withTargets(targets));
      for (int b = 0; b < lengths.length; b++) {
        Batch alone =
            Batch.of(sequences[b])
                .withTargets(Arrays.copyOfRange(targets, b * 64, b * 64 + lengths[b]));
        Map<String, float[]> single = bottom(name, config, alone);
        for (String what : List.of("x1", "x2", "dX1", "dX2")) {
          int from = b * 64 * width;
          float[] row = Arrays.copyOfRange(together.get(what), from, from + lengths[b] * width);
          assertArrayEquals(single.get(what), row, what + " of length " + lengths[b]);
        }
      }
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
  void aMaskConcernsOnlyItsOwnSequence(String name) {
    ReformerConfig config = TestModels.small(4).isDecoder(false).build();
    int[] a = TestModels.ids(40, 1);
    int[] b = TestModels.ids(40, 2);
    int[] mask = ones(80);
    for (int t = 43; t < 80; t += 5) {
      mask[t] = 0;
    }
    float[] free = logits(name, config, Batch.of(a, b));
    float[] masked = logits(name, config, Batch.of(a, b).withAttentionMask(mask));
    int row = 40 * TestModels.VOCABULARY;
    assertArrayEquals(
        Arrays.copyOf(free, row), Arrays.copyOf(masked, row), "the sequence without zeros");
    assertFalse(Arrays.equals(free, masked), "the mask has an effect");
    assertArrayEquals(
        free, logits(name, config, Batch.of(a, b).withAttentionMask(ones(80))), "all ones");
    // What stands at masked places changes nothing at the others.
    int[] other = b.clone();
    for (int t = 3; t < 40; t += 5) {
      other[t] = (other[t] + 1) % TestModels.VOCABULARY;
    }
    float[] changed = logits(name, config, Batch.of(a, other).withAttentionMask(mask));
    for (int t = 0; t < 80; t++) {
      int from = t * TestModels.VOCABULARY;
      float[] before = Arrays.copyOfRange(masked, from, from + TestModels.VOCABULARY);
      float[] after = Arrays.copyOfRange(changed, from, from + TestModels.VOCABULARY);
      assertEquals(mask[t] == 1, Arrays.equals(before, after), "position " + t);
    }
  }
}
