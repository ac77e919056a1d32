package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Operations on BF16 activations against the reference backend, which computes on the same values
 * in F32: what is stored as BF16 differs by one rounding, streams and decisions not at all.
 */
@EnabledIf("org.reformer4j.tests.TestBackends#computeBfloat16")
class KernelBfloat16Test {
  private static final int ROWS = 37;
  private static final int COLUMNS = 72;
  private static final Dropout DROPOUT =
      new Dropout(0.3f, new Philox.Stream(7, 5, 2, RandomPurpose.ATTENTION_OUTPUT));

  /**
   * Tensors of one backend; y, out and dOut are F32 on the reference and BF16 on what is tested.
   */
  private static final class Data {
    final Backend backend;
    final TensorScope scope;
    final Tensor stream;
    final Tensor y;
    final Tensor out;
    final Tensor dOut;
    final Tensor gradient;
    final Tensor gain;
    final Tensor bias;
    final Tensor sums;

    Data(Backend backend, TensorScope scope, DType streams, DType activations) {
      this.backend = backend;
      this.scope = scope;
      stream = view(streams, 1);
      y = activation(2, activations);
      out = activation(3, activations);
      dOut = activation(4, activations);
      gradient = view(DType.F32, 5);
      gain = matrix(6, COLUMNS);
      bias = matrix(7, COLUMNS);
      sums = matrix(8, COLUMNS);
    }

    Tensor matrix(long seed, long... dims) {
      Tensor tensor = scope.allocate(DType.F32, dims);
      backend.upload(tensor, normals(seed, tensor.elements()));
      return tensor;
    }

    private Tensor view(DType type, long seed) {
      Tensor whole = scope.allocate(type, ROWS, COLUMNS + 5);
      backend.upload(whole, normals(seed, whole.elements()));
      return whole.columns(3, COLUMNS);
    }

    private Tensor activation(long seed, DType type) {
      Tensor whole = scope.allocate(type, ROWS, COLUMNS + 5);
      float[] values = normals(seed, whole.elements());
      for (int i = 0; i < values.length; i++) {
        values[i] = Bfloat16.fromBits(Bfloat16.toBits(values[i]));
      }
      backend.upload(whole, values);
      return whole.columns(3, COLUMNS);
    }
  }

  private static float[] normals(long seed, long count) {
    Random random = new Random(seed);
    float[] values = new float[(int) count];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  static Stream<Arguments> streams() {
    return TestBackends.bfloat16With(List.of(DType.F32, DType.FIXED));
  }

  static Stream<Arguments> rotations() {
    return TestBackends.bfloat16With(List.of(DType.F32, DType.I8));
  }

  static Stream<Arguments> activations() {
    return TestBackends.bfloat16With(List.of(Activation.values()));
  }

  private static void both(String name, DType streams, BiConsumer<Data, Data> test) {
    try (Backend reference = TestBackends.reference();
        Backend tested = TestBackends.open(name);
        TensorScope scope = reference.scope("reference");
        TensorScope testedScope = tested.scope("tested")) {
      test.accept(
          new Data(reference, scope, streams, DType.F32),
          new Data(tested, testedScope, streams, DType.BF16));
    }
  }

  /** One rounding to 8 bits, and what float sums may differ beneath it. */
  private static void rounded(Data expected, Data actual, String what) {
    float[] exact = expected.backend.download(expected.out);
    float[] stored = actual.backend.download(actual.out);
    for (int i = 0; i < exact.length; i++) {
      double tolerance = Math.abs(exact[i]) / 256 + Tolerances.FORMULA * (1 + Math.abs(exact[i]));
      assertEquals(exact[i], stored[i], tolerance, what + " " + i);
    }
  }

  private static void sameStream(Data expected, Data actual) {
    assertArrayEquals(
        expected.backend.download(expected.stream),
        actual.backend.download(actual.stream),
        "stream");
  }

  @ParameterizedTest
  @MethodSource("streams")
  void residualNorm(String name, DType streams) {
    both(
        name,
        streams,
        (expected, actual) -> {
          for (int sign : new int[] {1, -1}) {
            for (Data d : new Data[] {expected, actual}) {
              d.backend.residualNorm(
                  d.out, d.stream, d.y, d.bias, sign, DROPOUT, d.gain, d.bias, 1e-5f);
            }
            sameStream(expected, actual);
            rounded(expected, actual, "norm");
          }
          for (Data d : new Data[] {expected, actual}) {
            d.backend.residual(d.stream, d.y, null, 1, Dropout.NONE);
            d.backend.layerNorm(d.out, d.stream, d.gain, d.bias, 1e-5f);
          }
          sameStream(expected, actual);
          rounded(expected, actual, "norm alone");
        });
  }

  @ParameterizedTest
  @MethodSource("streams")
  void gradients(String name, DType streams) {
    both(
        name,
        streams,
        (expected, actual) -> {
          for (Data d : new Data[] {expected, actual}) {
            d.backend.residualInverse(d.stream, d.out, d.gain, d.y, d.bias, d.gradient, DROPOUT);
          }
          sameStream(expected, actual);
          float[] exact = expected.backend.download(expected.out);
          for (int i = 0; i < exact.length; i++) {
            exact[i] = Bfloat16.fromBits(Bfloat16.toBits(exact[i]));
          }
          assertArrayEquals(exact, actual.backend.download(actual.out), "dY, once rounded");
          for (Data d : new Data[] {expected, actual}) {
            d.backend.layerNormBackward(
                d.gradient, d.gain, d.sums, d.dOut, d.stream, d.bias, 1e-5f);
          }
          close(expected, actual, expected.gradient, actual.gradient, "dX");
          close(expected, actual, expected.gain, actual.gain, "dGain");
          close(expected, actual, expected.sums, actual.sums, "dBias");
        });
  }

  private static void close(Data e, Data a, Tensor expected, Tensor actual, String what) {
    float[] left = e.backend.download(expected);
    float[] right = a.backend.download(actual);
    for (int i = 0; i < left.length; i++) {
      assertEquals(left[i], right[i], 2e-5 * (1 + Math.abs(left[i])), what + " " + i);
    }
  }

  @ParameterizedTest
  @MethodSource("rotations")
  void hash(String name, DType rotationType) {
    both(
        name,
        DType.F32,
        (expected, actual) -> {
          AttentionSpec spec =
              new AttentionSpec(
                  Sequences.full(1, ROWS), 3, COLUMNS / 3, ROWS, 1, 0, true, Dropout.NONE);
          HashSpec hash = HashSpec.of(3, 6, 4);
          int[][] buckets = new int[2][];
          for (int i = 0; i < 2; i++) {
            Data d = i == 0 ? expected : actual;
            Tensor rotations = d.scope.allocate(rotationType, 3, COLUMNS / 3, 3L * 5);
            Philox.Stream stream = new Philox.Stream(1, 0, 0, RandomPurpose.ROTATIONS);
            if (rotationType == DType.I8) {
              byte[] bytes = new byte[(int) rotations.elements()];
              stream.integerNormals(bytes);
              d.backend.upload(rotations.reshape(3, 15, COLUMNS / 3), bytes);
              rotations = rotations.reshape(3, 15, COLUMNS / 3);
            } else {
              float[] floats = new float[(int) rotations.elements()];
              stream.normals(floats);
              d.backend.upload(rotations, floats);
            }
            Tensor target = d.scope.allocate(DType.I32, 1, 3, 3, ROWS);
            d.backend.lshBuckets(target, d.y, rotations, null, spec, hash);
            buckets[i] = d.backend.downloadInts(target);
          }
          assertArrayEquals(buckets[0], buckets[1]);
        });
  }

  /**
   * The hidden values and their gradients are rounded, too: a few roundings of sums of 12 terms.
   */
  @ParameterizedTest
  @MethodSource("activations")
  void feedForward(String name, Activation activation) {
    FeedForwardSpec spec = new FeedForwardSpec(activation, 16, DROPOUT);
    both(
        name,
        DType.F32,
        (expected, actual) -> {
          float[][][] results = new float[2][][];
          for (int i = 0; i < 2; i++) {
            Data d = i == 0 ? expected : actual;
            DType type = d.y.type();
            Tensor w1 = weights(d, type, 9, 12, COLUMNS);
            Tensor w2 = weights(d, type, 10, COLUMNS, 12);
            Tensor b1 = d.matrix(11, 12);
            Tensor dW1 = d.matrix(12, 12, COLUMNS);
            Tensor dB1 = d.matrix(13, 12);
            Tensor dW2 = d.matrix(14, COLUMNS, 12);
            d.backend.feedForward(d.out, d.y, w1, b1, w2, spec);
            float[] forward = d.backend.download(d.out);
            // The result in F32, and dX in the place of x.
            d.backend.feedForwardBackward(
                d.gradient, d.y, dW1, dB1, dW2, d.dOut, d.y, w1, b1, w2, spec);
            Tensor[] all = {d.gradient, d.y, dW1, dB1, dW2};
            results[i] = new float[all.length + 1][];
            for (int j = 0; j < all.length; j++) {
              results[i][j] = d.backend.download(all[j]);
            }
            results[i][all.length] = forward;
          }
          for (int j = 0; j < results[0].length; j++) {
            near(results[0][j], results[1][j], activation + ", result " + j);
          }
        });
  }

  private static Tensor weights(Data d, DType type, long seed, long rows, long columns) {
    Tensor tensor = d.scope.allocate(type, rows, columns);
    float[] values = normals(seed, tensor.elements());
    for (int i = 0; i < values.length; i++) {
      values[i] = Bfloat16.fromBits(Bfloat16.toBits(values[i] * 0.25f));
    }
    d.backend.upload(tensor, values);
    return tensor;
  }

  private static void near(float[] expected, float[] actual, String what) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], largest / 128, what + " " + i);
    }
  }

  @Test
  void theReferenceRefuses() {
    try (Backend backend = TestBackends.reference();
        TensorScope scope = backend.scope("test")) {
      Data d = new Data(backend, scope, DType.F32, DType.BF16);
      assertThrows(
          IllegalArgumentException.class,
          () -> backend.residual(d.stream, d.y, null, 1, Dropout.NONE));
    }
  }
}
