package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Recording;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.KernelCases.Arg;
import org.reformer4j.tests.KernelCases.Case;

/** Recorded operations do what they do one by one, to the bit, on every backend. */
class RecordingTest {
  private static final int ROWS = 6;
  private static final int WIDTH = 8;
  private static final int HIDDEN = 24;
  private static final FeedForwardSpec FEED_FORWARD =
      new FeedForwardSpec(Activation.GELU, 4, Dropout.NONE);

  static List<String> backends() {
    return TestBackends.names();
  }

  /** All operations but the one that waits. */
  static Stream<Arguments> cases() {
    return TestBackends.with(
        KernelCases.all().stream().filter(c -> !c.op().equals("sumOfSquares")).toList());
  }

  private static float[] normals(long seed, int count) {
    Random random = new Random(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Tensor tensor(Backend backend, TensorScope scope, long seed, long... dims) {
    Tensor tensor = scope.allocate(DType.F32, dims);
    backend.upload(tensor, normals(seed, (int) tensor.elements()));
    return tensor;
  }

  private static void reset(Backend backend, Case c, Map<String, Tensor> tensors) {
    for (Arg arg : c.args()) {
      KernelTableTest.upload(backend, tensors.get(arg.name()), arg.values());
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void everyOperationHasTheSameBitsRecordedAndReplayed(String name, Case c) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Map<String, Tensor> tensors = KernelTableTest.tensors(backend, scope, c, true);
      c.run(backend, tensors);
      final Map<String, int[]> expected = KernelTableTest.download(backend, tensors);
      long live = backend.liveBytes();
      reset(backend, c, tensors);
      try (Recording recording = backend.record(() -> c.run(backend, tensors))) {
        KernelTableTest.assertSame(expected, KernelTableTest.download(backend, tensors));
        for (int n = 0; n < 2; n++) {
          reset(backend, c, tensors);
          recording.replay();
          KernelTableTest.assertSame(expected, KernelTableTest.download(backend, tensors));
        }
      }
      assertEquals(live, backend.liveBytes());
    }
  }

  /** Product, norm and feed-forward layer, with tensors of their own between them. */
  private static void layer(Backend backend, Tensor out, Tensor x, Tensor[] weights) {
    try (TensorScope scope = backend.scope("layer")) {
      Tensor mixed = scope.allocate(DType.F32, ROWS, WIDTH);
      backend.gemm(mixed, x, false, weights[0], true, 0.5f, 0f);
      Tensor normed = scope.allocate(DType.F32, ROWS, WIDTH);
      backend.layerNorm(normed, mixed, weights[1], weights[2], 1e-5f);
      try (TensorScope inner = scope.child("inner")) {
        Tensor again = inner.allocate(DType.F32, ROWS, WIDTH);
        backend.copy(again, normed);
        backend.feedForward(mixed, again, weights[3], weights[4], weights[5], FEED_FORWARD);
      }
      backend.copy(out, mixed);
      backend.residual(out, normed, weights[1], 1, Dropout.NONE);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void replaysFollowTheirInputs(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor[] weights = {
        tensor(backend, scope, 1, WIDTH, WIDTH),
        tensor(backend, scope, 2, WIDTH),
        tensor(backend, scope, 3, WIDTH),
        tensor(backend, scope, 4, HIDDEN, WIDTH),
        tensor(backend, scope, 5, HIDDEN),
        tensor(backend, scope, 6, WIDTH, HIDDEN)
      };
      Tensor x = tensor(backend, scope, 7, ROWS, WIDTH);
      Tensor out = scope.allocate(DType.F32, ROWS, WIDTH);
      Tensor expected = scope.allocate(DType.F32, ROWS, WIDTH);
      layer(backend, expected, x, weights);
      try (Recording recording = backend.record(() -> layer(backend, out, x, weights))) {
        assertArrayEquals(backend.download(expected), backend.download(out));
        for (int n = 0; n < 3; n++) {
          backend.upload(x, normals(10 + n, ROWS * WIDTH));
          recording.replay();
          float[] replayed = backend.download(out);
          layer(backend, expected, x, weights);
          assertArrayEquals(backend.download(expected), replayed);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void operationsAreDoneOnceByTheRecordingAndOnceByEachReplay(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor sum = scope.allocate(DType.F32, 2, 3);
      Tensor one = scope.allocate(DType.F32, 2, 3);
      backend.fill(sum, 0f);
      backend.fill(one, 1f);
      try (Recording recording =
          backend.record(() -> backend.residual(sum, one, null, 1, Dropout.NONE))) {
        assertEquals(1f, backend.download(sum)[4]);
        recording.replay();
        recording.replay();
        assertEquals(3f, backend.download(sum)[4]);
      }
    }
  }

  /** Everything that a backend keeps from operation to operation is needed otherwise meanwhile. */
  @ParameterizedTest
  @MethodSource("backends")
  void workBetweenReplaysDoesNotDisturbThem(String name) {
    int heads = 2;
    int headSize = 8;
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor[] in = new Tensor[3];
      for (int i = 0; i < in.length; i++) {
        in[i] = tensor(backend, scope, 20 + i, 2 * 12, heads * headSize);
      }
      Tensor out = scope.allocate(DType.F32, 2 * 12, heads * headSize);
      Tensor gradient = scope.allocate(DType.F32, heads * headSize);
      Tensor lse = scope.allocate(DType.F32, 2, heads, 12);
      Tensor other = scope.allocate(DType.F32, 2 * 12, heads * headSize);
      Tensor large = tensor(backend, scope, 30, 3000, 40);
      Tensor largeGradient = scope.allocate(DType.F32, 40);
      AttentionSpec spec = spec(5);
      Runnable operations =
          () -> {
            backend.localAttention(out, lse, in[0], in[1], in[2], null, null, spec);
            backend.fill(gradient, 0f);
            backend.biasGradient(gradient, out);
          };
      operations.run();
      final float[] expected = backend.download(out);
      final float[] expectedGradient = backend.download(gradient);
      try (Recording recording = backend.record(operations)) {
        for (int n = 0; n < 6; n++) {
          backend.localAttention(other, lse, in[0], in[1], in[2], null, null, spec(6 + n));
          backend.fill(largeGradient, 0f);
          backend.biasGradient(largeGradient, large.rows(0, 500 * (n + 1)));
          backend.resetPeak();
          backend.fill(out, 0f);
          recording.replay();
          assertArrayEquals(expected, backend.download(out));
          assertArrayEquals(expectedGradient, backend.download(gradient));
        }
      }
    }
  }

  private static AttentionSpec spec(int length) {
    Sequences sequences = Sequences.of(12, new int[] {12, length}, new int[] {12, 12});
    return new AttentionSpec(sequences, 2, 8, 4, 1, 0, true, Dropout.NONE);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void closedRecordingsRefuseToReplay(String name) {
    Backend backend = TestBackends.open(name);
    try (TensorScope scope = backend.scope("test")) {
      Tensor tensor = scope.allocate(DType.F32, 3);
      Recording recording = backend.record(() -> backend.fill(tensor, 1f));
      recording.close();
      recording.close();
      IllegalStateException error = assertThrows(IllegalStateException.class, recording::replay);
      assertTrue(error.getMessage().contains("record the operations again"), error.getMessage());
      backend.fill(tensor, 2f);
      assertEquals(2f, backend.download(tensor)[0]);
    }
    Recording empty = backend.record(() -> {});
    empty.replay();
    backend.close();
    empty.close();
    assertThrows(IllegalStateException.class, empty::replay);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void errorsOfTheOperationsPass(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor tensor = scope.allocate(DType.F32, 3);
      Tensor wrong = scope.allocate(DType.F32, 4);
      long live = backend.liveBytes();
      assertThrows(
          IllegalArgumentException.class,
          () ->
              backend.record(
                  () -> {
                    backend.fill(tensor, 1f);
                    backend.copy(tensor, wrong);
                  }));
      assertEquals(live, backend.liveBytes());
      backend.fill(tensor, 2f);
      assertEquals(2f, backend.download(tensor)[0]);
    }
  }
}
