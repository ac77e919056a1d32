package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.MemoryPlan.KeptBytes;
import org.reformer4j.model.Pass.Pieces;
import org.reformer4j.tests.TestBackends;
import org.reformer4j.tests.Tolerances;

/** Every memory policy gives the same bits on exact streams and keeps what the formula says. */
class MemoryPolicyTest {
  private static final Sequences SEQUENCES =
      Sequences.of(40, new int[] {40, 27, 6}, new int[] {40, 32, 6});
  private static final HashSpec HASH = HashSpec.of(3, 8);
  private static final int LAYERS = 4;

  static List<String> backends() {
    return TestBackends.names();
  }

  private static List<MemoryPolicy> levels() {
    return Arrays.stream(MemoryPolicy.values()).filter(p -> p != MemoryPolicy.AUTO).toList();
  }

  private static ReformerConfig config(int layers) {
    AttentionKind[] kinds = new AttentionKind[layers];
    Arrays.setAll(kinds, i -> i % 2 == 0 ? AttentionKind.LSH : AttentionKind.LOCAL);
    return ReformerConfig.builder()
        .isDecoder(true)
        .attnLayers(kinds)
        .vocabSize(30)
        .hiddenSize(12)
        .numAttentionHeads(2)
        .attentionHeadSize(5)
        .feedForwardSize(20)
        .chunkSizeFeedForward(33)
        .localAttnChunkLength(8)
        .lshAttnChunkLength(8)
        .localNumChunksAfter(0)
        .lshNumChunksAfter(0)
        .axialPosShape(8, 8)
        .axialPosEmbdsDim(4, 8)
        .maxPositionEmbeddings(64)
        .numBuckets(8)
        .numHashes(3)
        .initializerRange(0.3)
        .hiddenDropoutProb(0.2)
        .localAttentionProbsDropoutProb(0.2)
        .lshAttentionProbsDropoutProb(0.2)
        .build();
  }

  private static KeptBytes size(ReformerConfig config, DType streams) {
    return size(config, streams, DType.F32);
  }

  private static KeptBytes size(ReformerConfig config, DType streams, DType activations) {
    ResidualArithmetic arithmetic =
        streams == DType.FIXED ? ResidualArithmetic.FIXED_POINT : ResidualArithmetic.FLOAT;
    ReformerConfig exact = config.toBuilder().residualArithmetic(arithmetic).build();
    return new KeptBytes(exact, SEQUENCES, HASH, activations);
  }

  /** What a stack did: bytes kept, streams rebuilt, all gradients. */
  private record Result(long kept, int[] rebuilt, List<float[]> gradients) {}

  /** Runs the layers alone, on streams of a type, forward and back. */
  private static Result run(String name, ReformerConfig config, DType type, MemoryPlan plan) {
    return run(name, config, type, DType.F32, plan);
  }

  private static Result run(
      String name, ReformerConfig config, DType type, DType activations, MemoryPlan plan) {
    return run(name, config, type, activations, plan, SEQUENCES, Pieces.DEFAULT);
  }

  private static Result run(
      String name,
      ReformerConfig config,
      DType type,
      DType activations,
      MemoryPlan plan,
      Sequences sequences,
      Pieces pieces) {
    try (Backend backend = TestBackends.open(name);
        TensorScope model = backend.scope("model");
        TensorScope scope = backend.scope("step")) {
      ParameterSet parameters = new ParameterSet();
      List<Branch> branches = new ArrayList<>();
      for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
        branches.add(new AttentionBranch(config, layer, layer + ".a.", parameters));
        branches.add(new FeedForwardBranch(config, layer, layer + ".f.", parameters));
      }
      parameters.allocate(model, activations);
      parameters.allocateGradients(model, backend);
      parameters.initialize(backend, 4);
      Random random = new Random(7);
      for (Parameter parameter : parameters.all()) {
        // Biases and gains, too, must not be what they are at the start.
        float[] values = backend.download(parameter.value());
        for (int i = 0; i < values.length; i++) {
          values[i] += 0.1f * (float) random.nextGaussian();
        }
        backend.upload(parameter.value(), values);
      }
      parameters.refresh(backend);
      Pass pass =
          new Pass(
              backend,
              scope,
              activations,
              sequences,
              null,
              null,
              HASH,
              Rotations.counterBased(3, 1),
              true,
              3,
              1,
              plan,
              pieces,
              Trace.NONE);
      Tensor streams = normals(backend, model, type, sequences.rows(), 24, 5);
      Tensor gradients = normals(backend, model, DType.F32, sequences.rows(), 24, 6);
      ReversibleStack stack = new ReversibleStack(branches);
      Branch.Saved[] saved = stack.forward(streams.columns(0, 12), streams.columns(12, 12), pass);
      final long kept = scope.liveBytes();
      stack.backward(
          streams.columns(0, 12),
          streams.columns(12, 12),
          gradients.columns(0, 12),
          gradients.columns(12, 12),
          saved,
          pass);
      assertEquals(kept, scope.liveBytes(), "the backward pass leaves nothing behind");
      List<float[]> all = new ArrayList<>();
      all.add(backend.download(gradients));
      parameters.all().forEach(parameter -> all.add(backend.download(parameter.gradient())));
      int[] rebuilt = type == DType.FIXED ? backend.downloadInts(streams) : new int[0];
      return new Result(kept, rebuilt, all);
    }
  }

  private static Tensor normals(
      Backend backend, TensorScope scope, DType type, int columns, int seed) {
    return normals(backend, scope, type, SEQUENCES.rows(), columns, seed);
  }

  private static Tensor normals(
      Backend backend, TensorScope scope, DType type, long rows, int columns, int seed) {
    Tensor tensor = scope.allocate(type, rows, columns);
    Random random = new Random(seed);
    float[] values = new float[(int) tensor.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    backend.upload(tensor, values);
    return tensor;
  }

  private static void same(Result expected, Result actual, String what) {
    assertArrayEquals(expected.rebuilt(), actual.rebuilt(), what);
    for (int i = 0; i < expected.gradients().size(); i++) {
      assertArrayEquals(expected.gradients().get(i), actual.gradients().get(i), what + " " + i);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void allLevelsGiveTheSameBitsOnExactStreams(String name) {
    ReformerConfig config = config(LAYERS);
    MemoryPlan none = MemoryPlan.uniform(LAYERS, MemoryPolicy.RECOMPUTE);
    Result expected = run(name, config, DType.FIXED, none);
    assertEquals(0, expected.kept());
    for (MemoryPolicy level : levels()) {
      MemoryPlan plan = MemoryPlan.uniform(LAYERS, level);
      same(expected, run(name, config, DType.FIXED, plan), level.name());
    }
    KeptBytes size = size(config, DType.FIXED);
    long half = MemoryPlan.uniform(LAYERS, MemoryPolicy.KEEP_ATTENTION).bytes(size) * 3 / 4;
    MemoryPlan mixed = MemoryPlan.within(size, half);
    assertTrue(mixed.level(0) != mixed.level(LAYERS - 1), "mixed");
    same(expected, run(name, config, DType.FIXED, mixed), "mixed");
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor original = normals(backend, scope, DType.FIXED, 24, 5);
      assertArrayEquals(backend.downloadInts(original), expected.rebuilt(), "rebuilt");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theSameInBfloat16(String name) {
    try (Backend backend = TestBackends.open(name)) {
      Assumptions.assumeTrue(
          backend.activationTypes().contains(DType.BF16), name + " computes in float32 only");
    }
    ReformerConfig config = config(LAYERS);
    MemoryPlan none = MemoryPlan.uniform(LAYERS, MemoryPolicy.RECOMPUTE);
    Result expected = run(name, config, DType.FIXED, DType.BF16, none);
    for (MemoryPolicy level : levels()) {
      MemoryPlan plan = MemoryPlan.uniform(LAYERS, level);
      Result actual = run(name, config, DType.FIXED, DType.BF16, plan);
      same(expected, actual, level.name());
      assertEquals(plan.bytes(size(config, DType.FIXED, DType.BF16)), actual.kept(), level.name());
    }
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor original = normals(backend, scope, DType.FIXED, 24, 5);
      assertArrayEquals(backend.downloadInts(original), expected.rebuilt(), "rebuilt");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void floatStreamsKeepTheirOrderInAnyCase(String name) {
    ReformerConfig config = config(LAYERS);
    MemoryPlan none = MemoryPlan.uniform(LAYERS, MemoryPolicy.RECOMPUTE);
    MemoryPlan order = MemoryPlan.uniform(LAYERS, MemoryPolicy.KEEP_ORDER);
    Result expected = run(name, config, DType.F32, none);
    same(expected, run(name, config, DType.F32, order), "KEEP_ORDER");
    assertEquals(2 * SEQUENCES.rows() * 2 * 3 * 4, expected.kept(), "orders of two LSH layers");
  }

  /** Results kept on float streams lack the rounding of rebuilt ones, and nothing else. */
  @ParameterizedTest
  @MethodSource("backends")
  void allLevelsAreCloseOnFloatStreams(String name) {
    ReformerConfig config = config(LAYERS);
    Result expected =
        run(name, config, DType.F32, MemoryPlan.uniform(LAYERS, MemoryPolicy.RECOMPUTE));
    for (MemoryPolicy level : levels()) {
      Result actual = run(name, config, DType.F32, MemoryPlan.uniform(LAYERS, level));
      for (int g = 0; g < expected.gradients().size(); g++) {
        float[] values = expected.gradients().get(g);
        double largest = 0;
        for (float value : values) {
          largest = Math.max(largest, Math.abs(value));
        }
        float[] others = actual.gradients().get(g);
        for (int i = 0; i < values.length; i++) {
          assertEquals(values[i], others[i], Tolerances.GRADIENT * largest, level + " " + g);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whatIsKeptIsTheFormula(String name) {
    for (DType type : List.of(DType.F32, DType.FIXED)) {
      for (MemoryPolicy level : levels()) {
        for (int layers : new int[] {2, 5}) {
          ReformerConfig config = config(layers);
          MemoryPlan plan = MemoryPlan.uniform(layers, level);
          long kept = run(name, config, type, plan).kept();
          assertEquals(plan.bytes(size(config, type)), kept, type + " " + level + " " + layers);
        }
      }
    }
  }

  /** Blocks of rows and groups of heads cut sums in other places, and change nothing else. */
  @ParameterizedTest
  @MethodSource("backends")
  void piecesOfLongPassesOnlyRound(String name) {
    ReformerConfig config = config(LAYERS);
    Sequences alone = Sequences.of(29, new int[] {29}, new int[] {32});
    for (DType type : List.of(DType.F32, DType.FIXED)) {
      for (Sequences sequences : List.of(SEQUENCES, alone)) {
        for (MemoryPolicy level : levels()) {
          MemoryPlan plan = MemoryPlan.uniform(LAYERS, level);
          Result whole = run(name, config, type, DType.F32, plan, sequences, Pieces.DEFAULT);
          Pieces small = new Pieces(11, 1);
          Result pieces = run(name, config, type, DType.F32, plan, sequences, small);
          String what = type + " " + sequences + " " + level;
          assertEquals(whole.kept(), pieces.kept(), what);
          assertArrayEquals(whole.rebuilt(), pieces.rebuilt(), what);
          for (int i = 0; i < whole.gradients().size(); i++) {
            float[] expected = whole.gradients().get(i);
            float[] actual = pieces.gradients().get(i);
            double scale = 0;
            for (float value : expected) {
              scale = Math.max(scale, Math.abs(value));
            }
            assertTrue(scale > 0, what + " " + i);
            for (int j = 0; j < expected.length; j++) {
              assertEquals(expected[j], actual[j], 2e-5 * scale, what + " " + i + " " + j);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void budgetsAreKeptAndUsed(String name) {
    for (DType type : List.of(DType.F32, DType.FIXED)) {
      KeptBytes size = size(config(LAYERS), type);
      long least = MemoryPlan.uniform(LAYERS, MemoryPolicy.RECOMPUTE).bytes(size);
      long most = MemoryPlan.uniform(LAYERS, MemoryPolicy.KEEP_ATTENTION).bytes(size);
      long before = least;
      for (long bytes = 0; bytes <= most + 100; bytes += 97) {
        MemoryPlan plan = MemoryPlan.within(size, bytes);
        long used = plan.bytes(size);
        assertTrue(used <= Math.max(bytes, least), used + " of " + bytes);
        assertTrue(used >= before, "more memory, and less is kept");
        before = used;
        for (int layer = 1; layer < LAYERS; layer++) {
          assertTrue(plan.level(layer).compareTo(plan.level(layer - 1)) >= 0, "the last keep most");
        }
      }
      assertEquals(most, before);
    }
    ReformerConfig config = config(LAYERS);
    KeptBytes size = size(config, DType.F32);
    long bytes = MemoryPlan.uniform(LAYERS, MemoryPolicy.KEEP_FEED_FORWARD).bytes(size);
    Result auto = run(name, config, DType.F32, MemoryPlan.within(size, bytes));
    assertEquals(bytes, auto.kept());
    assertEquals(
        OptionalLong.of(bytes), CallOptions.training(1, 1).withMemoryWithin(bytes).memoryBytes());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void gradientsOfTheFeedForwardDoNotNeedItsResult(String name) {
    float[][] results = new float[2][];
    for (int i = 0; i < 2; i++) {
      try (Backend backend = TestBackends.open(name);
          TensorScope scope = backend.scope("test")) {
        Tensor x = normals(backend, scope, DType.F32, 6, 1);
        Tensor dOut = normals(backend, scope, DType.F32, 6, 2);
        Tensor w1 = normals(backend, scope, DType.F32, 6, 3).rows(0, 9);
        Tensor b1 = normals(backend, scope, DType.F32, 1, 4).rows(0, 9).reshape(1, 9);
        Tensor w2 = normals(backend, scope, DType.F32, 9, 5).rows(0, 6);
        Tensor sums = scope.allocate(DType.F32, 25, 9);
        backend.fill(sums, 1f);
        FeedForwardSpec spec = new FeedForwardSpec(Activation.GELU, 50, Dropout.NONE);
        Tensor out = i == 0 ? scope.allocate(DType.F32, SEQUENCES.rows(), 6) : null;
        Tensor dX = scope.allocate(DType.F32, SEQUENCES.rows(), 6);
        Tensor dW1 = sums.reshape(25, 9).rows(0, 6).reshape(9, 6);
        Tensor dW2 = sums.rows(7, 6);
        Tensor dB1 = sums.rows(14, 1);
        backend.feedForwardBackward(out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2, spec);
        float[] dx = backend.download(dX);
        float[] parameters = backend.download(sums);
        results[i] = Arrays.copyOf(dx, dx.length + parameters.length);
        System.arraycopy(parameters, 0, results[i], dx.length, parameters.length);
      }
    }
    assertArrayEquals(results[0], results[1]);
  }
}
