package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.TestBackends;

/** Every operation with its arguments in their places: the same results as the reference's. */
@EnabledIf("org.reformer4j.kernels.SimulatedCuda#available")
class CudaOperationsTest {
  private static final int ROWS = 37;
  private static final int COLUMNS = 70;
  private static final float TOLERANCE = 2e-5f;
  private static final Dropout DROPOUT =
      new Dropout(0.3f, new Philox.Stream(7, 5, 2, RandomPurpose.values()[1]));

  /** What an operation works on; the same values on every backend. */
  private record Data(
      Backend backend,
      Tensor stream,
      Tensor x,
      Tensor y,
      Tensor z,
      Tensor gain,
      Tensor bias,
      Tensor sumA,
      Tensor sumB) {
    static Data of(Backend backend, TensorScope scope, DType stream) {
      return new Data(
          backend,
          SimulatedCuda.view(backend, scope, stream, 1, ROWS, COLUMNS),
          SimulatedCuda.view(backend, scope, DType.F32, 2, ROWS, COLUMNS),
          SimulatedCuda.view(backend, scope, DType.F32, 3, ROWS, COLUMNS),
          SimulatedCuda.view(backend, scope, DType.F32, 4, ROWS, COLUMNS),
          SimulatedCuda.matrix(backend, scope, 5, COLUMNS),
          SimulatedCuda.matrix(backend, scope, 6, COLUMNS),
          SimulatedCuda.matrix(backend, scope, 7, COLUMNS),
          SimulatedCuda.matrix(backend, scope, 8, COLUMNS));
    }

    float[][] results() {
      Tensor[] all = {stream, x, y, z, gain, bias, sumA, sumB};
      float[][] values = new float[all.length][];
      for (int i = 0; i < all.length; i++) {
        values[i] = backend.download(all[i]);
      }
      return values;
    }
  }

  private static float[][] run(Backend backend, DType stream, Consumer<Data> operation) {
    try (backend;
        TensorScope scope = backend.scope("test")) {
      Data data = Data.of(backend, scope, stream);
      operation.accept(data);
      return data.results();
    }
  }

  private static void same(DType stream, Consumer<Data> operation) {
    float[][] expected = run(TestBackends.reference(), stream, operation);
    float[][] actual = run(SimulatedCuda.open(), stream, operation);
    for (int i = 0; i < expected.length; i++) {
      int tensor = i;
      assertArrayEquals(expected[i], actual[i], TOLERANCE, () -> "tensor " + tensor);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "FIXED"})
  void residualSteps(DType type) {
    same(type, d -> d.backend.residual(d.stream, d.y, d.bias, 1, Dropout.NONE));
    same(type, d -> d.backend.residual(d.stream, d.y, null, -1, DROPOUT));
    same(type, d -> d.backend.residual(d.stream, d.y, d.bias, -1, DROPOUT));
    same(
        type,
        d -> d.backend.residualNorm(d.x, d.stream, d.y, d.bias, 1, DROPOUT, d.gain, d.sumA, 1e-5f));
    same(type, d -> d.backend.residualInverse(d.stream, d.x, d.sumA, d.y, d.bias, d.z, DROPOUT));
    same(type, d -> d.backend.residualInverse(d.stream, d.y, null, d.y, null, d.z, Dropout.NONE));
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "FIXED"})
  void norms(DType type) {
    same(type, d -> d.backend.layerNorm(d.x, d.stream, d.gain, d.bias, 1e-5f));
    same(type, d -> d.backend.layerNormBackward(d.x, d.sumA, d.sumB, d.y, d.stream, d.gain, 1e-5f));
  }

  @Test
  void pieces() {
    same(DType.F32, d -> d.backend.layerNorm(d.x, d.x, d.gain, d.bias, 1e-5f));
    same(DType.F32, d -> d.backend.residualBackward(d.x, d.sumA, d.y, DROPOUT));
    same(DType.F32, d -> d.backend.residualBackward(d.x, null, d.x, Dropout.NONE));
    same(DType.F32, d -> d.backend.addBias(d.x, d.bias));
    same(DType.F32, d -> d.backend.biasGradient(d.sumA, d.x));
    same(DType.F32, d -> d.backend.dropout(d.x, DROPOUT));
    same(DType.F32, d -> d.backend.dropout(d.x, Dropout.NONE));
  }

  /** What a fixed-point stream takes back is what was there, bit for bit. */
  @Test
  void fixedPointStreamsComeBack() {
    try (Backend backend = SimulatedCuda.open();
        TensorScope scope = backend.scope("test")) {
      Data d = Data.of(backend, scope, DType.FIXED);
      int[] before = backend.downloadInts(d.stream);
      backend.residual(d.stream, d.y, d.bias, 1, DROPOUT);
      backend.residual(d.stream, d.y, d.bias, -1, DROPOUT);
      assertArrayEquals(before, backend.downloadInts(d.stream));
    }
  }

  @Test
  void leavingTheRangeIsReportedOnce() {
    try (Backend backend = SimulatedCuda.open();
        TensorScope scope = backend.scope("test")) {
      Data d = Data.of(backend, scope, DType.FIXED);
      backend.fill(d.y, 5000f);
      backend.residual(d.stream, d.y, null, 1, Dropout.NONE);
      BackendException error = assertThrows(BackendException.class, backend::synchronize);
      assertTrue(error.getMessage().contains("+-2048"), error.getMessage());
      assertEquals(false, error.fatal());
      backend.synchronize();
      backend.fill(d.stream, 0f);
      backend.fill(d.y, 1f);
      backend.residual(d.stream, d.y, null, 1, Dropout.NONE);
      assertEquals(1f, backend.download(d.stream)[0]);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "I8"})
  void hashingAndSorting(DType rotations) {
    int[] lengths = {40, 33};
    Sequences sequences = Sequences.of(40, lengths, new int[] {40, 40});
    AttentionSpec spec = new AttentionSpec(sequences, 3, 16, 8, 1, 0, true, Dropout.NONE);
    HashSpec hash = HashSpec.of(2, 4, 6);
    int[][][] results = new int[2][2][];
    Backend[] both = {TestBackends.reference(), SimulatedCuda.open()};
    for (int i = 0; i < 2; i++) {
      try (Backend backend = both[i];
          TensorScope scope = backend.scope("test")) {
        Tensor x = SimulatedCuda.view(backend, scope, DType.F32, 1, 80, 48);
        Tensor rotation = scope.allocate(rotations, 3, 16, 2 * 5);
        float[] normals = SimulatedCuda.normals(2, rotation.elements());
        if (rotations == DType.F32) {
          backend.upload(rotation, normals);
        } else {
          byte[] bytes = new byte[normals.length];
          for (int j = 0; j < bytes.length; j++) {
            bytes[j] = (byte) Math.max(-127, Math.min(127, normals[j] * 40));
          }
          backend.upload(rotation, bytes);
        }
        Tensor mask = scope.allocate(DType.I32, 2, 40);
        int[] visible = new int[80];
        for (int j = 0; j < 80; j++) {
          visible[j] = j % 7 == 3 ? 0 : 1;
        }
        backend.upload(mask, visible);
        Tensor buckets = scope.allocate(DType.I32, 2, 3, 2, 40);
        backend.lshBuckets(buckets, x, rotation, mask, spec, hash);
        results[i][0] = backend.downloadInts(buckets);
        Tensor order = scope.allocate(DType.I32, 2, 3, 2, 40);
        backend.lshSort(order, buckets, sequences, hash);
        results[i][1] = backend.downloadInts(order);
      }
    }
    assertArrayEquals(results[0][0], results[1][0]);
    assertArrayEquals(results[0][1], results[1][1]);
  }

  @Test
  void targetsThatTheDeviceWroteAreCheckedAgain() {
    try (Backend cuda = SimulatedCuda.open();
        TensorScope scope = cuda.scope("targets")) {
      Tensor logits = SimulatedCuda.matrix(cuda, scope, 1, 4, 6);
      Tensor loss = scope.allocate(DType.F32, 4);
      Tensor targets = scope.allocate(DType.I32, 4, 1);
      Tensor wrong = scope.allocate(DType.I32, 4, 1);
      cuda.upload(targets, new int[] {0, 5, -100, 2});
      cuda.upload(wrong, new int[] {0, 5, 6, 2});
      cuda.crossEntropy(loss, null, logits, targets, -100, 1f);
      cuda.copy(targets, wrong);
      IllegalArgumentException refusal =
          assertThrows(
              IllegalArgumentException.class,
              () -> cuda.crossEntropy(loss, null, logits, targets, -100, 1f));
      assertTrue(refusal.getMessage().contains("targets[2]"), refusal.getMessage());
      cuda.upload(targets.rows(2, 1), new int[] {3});
      cuda.crossEntropy(loss, null, logits, targets, -100, 1f);
    }
  }
}
