package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.TestBackends;

/**
 * The feed-forward layer where a chunk is larger than the device's cache: it is cut into pieces.
 */
@EnabledIf("org.reformer4j.kernels.SimulatedCuda#available")
class CudaFeedForwardTest {
  private static final int ROWS = 340;
  private static final int COLUMNS = 16;
  private static final int HIDDEN = 512;

  /** Of the simulated device, whose cache is small. */
  private static final int PIECE = 128;

  private static final Dropout DROPOUT =
      new Dropout(0.3f, new Philox.Stream(7, 5, 2, RandomPurpose.FEED_FORWARD_HIDDEN));

  /** Everything that a forward and a backward pass give, and the bytes that they take at most. */
  private record Results(
      float[][] values, float[] recomputed, long forwardPeak, long backwardPeak) {}

  private static Tensor of(
      Backend backend, TensorScope scope, DType type, long seed, long... dims) {
    Tensor tensor = scope.allocate(type, dims);
    float[] values = SimulatedCuda.normals(seed, tensor.elements());
    for (int i = 0; i < values.length; i++) {
      values[i] *= 0.25f;
    }
    backend.upload(tensor, values);
    return tensor;
  }

  private static Results run(Backend backend, DType type, int chunkRows, Activation activation) {
    FeedForwardSpec spec = new FeedForwardSpec(activation, chunkRows, DROPOUT);
    try (backend;
        TensorScope scope = backend.scope("test")) {
      Tensor x = of(backend, scope, type, 1, ROWS, COLUMNS);
      Tensor w1 = of(backend, scope, type, 2, HIDDEN, COLUMNS);
      Tensor b1 = of(backend, scope, DType.F32, 3, HIDDEN);
      Tensor w2 = of(backend, scope, type, 4, COLUMNS, HIDDEN);
      Tensor dOut = of(backend, scope, type, 5, ROWS, COLUMNS);
      Tensor out = scope.allocate(type, ROWS, COLUMNS);
      Tensor dX = scope.allocate(type, ROWS, COLUMNS);
      Tensor dW1 = of(backend, scope, DType.F32, 6, HIDDEN, COLUMNS);
      Tensor dB1 = of(backend, scope, DType.F32, 7, HIDDEN);
      Tensor dW2 = of(backend, scope, DType.F32, 8, COLUMNS, HIDDEN);
      long live = backend.liveBytes();
      backend.resetPeak();
      backend.feedForward(out, x, w1, b1, w2, spec);
      long forwardPeak = backend.peakBytes() - live;
      float[] forward = backend.download(out);
      backend.fill(out, 0f);
      backend.resetPeak();
      backend.feedForwardBackward(out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2, spec);
      long backwardPeak = backend.peakBytes() - live;
      float[][] values = {
        forward,
        backend.download(dX),
        backend.download(dW1),
        backend.download(dB1),
        backend.download(dW2)
      };
      return new Results(values, backend.download(out), forwardPeak, backwardPeak);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {ROWS, 333, 128, 100})
  void piecesGiveWhatWholeChunksGive(int chunkRows) {
    Results expected = run(TestBackends.reference(), DType.F32, ROWS, Activation.GELU_NEW);
    Results actual = run(SimulatedCuda.open(), DType.F32, chunkRows, Activation.GELU_NEW);
    for (int i = 0; i < expected.values.length; i++) {
      int result = i;
      assertArrayEquals(expected.values[i], actual.values[i], 2e-4f, () -> "result " + result);
    }
  }

  /** The inverse of a reversible layer needs the very bits of the forward pass. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void recomputedOutputHasTheSameBits(DType type) {
    Results actual = run(SimulatedCuda.open(), type, 333, Activation.RELU);
    assertArrayEquals(actual.values[0], actual.recomputed);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void floatsBetweenTheProductsFitTheCache(DType type) {
    long piece = Boolean.getBoolean(SimulatedCuda.PROPERTY) ? PIECE : ROWS;
    long block = (long) ROWS * HIDDEN * type.bytes();
    long floats = piece * HIDDEN * Float.BYTES;
    Results actual = run(SimulatedCuda.open(), type, ROWS, Activation.RELU);
    int pieces = type == DType.F32 ? 0 : 1;
    assertWithin(block + pieces * floats, actual.forwardPeak, floats / 4);
    assertWithin(2 * block + (1 + pieces) * floats, actual.backwardPeak, floats / 4);
  }

  /** The peak counts the workspace of products and of sums over rows, too, which is small. */
  private static void assertWithin(long expected, long actual, long workspace) {
    assertTrue(
        expected <= actual && actual < expected + workspace, expected + " expected, not " + actual);
  }
}
