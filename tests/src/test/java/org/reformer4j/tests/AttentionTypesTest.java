package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Attention on BF16 tensors against the F32 reference. Of every gradient the largest error may be
 * twice that of plain float arithmetic on the same BF16 operands, which the CUDA backend does where
 * rows are not aligned to 16 bytes.
 */
class AttentionTypesTest {
  private static final Dropout DROPOUT =
      new Dropout(0.25f, new Philox.Stream(9, 2, 1, RandomPurpose.ATTENTION_PROBABILITIES));

  /** One attention: LSH where there are rounds, else local. */
  private record Shape(
      int headSize,
      int chunk,
      int before,
      int rounds,
      LshSelection selection,
      boolean distinct,
      boolean causal,
      Dropout dropout) {
    Shape(int headSize, int chunk, int rounds, boolean causal, Dropout dropout) {
      this(headSize, chunk, 1, rounds, LshSelection.SORTED, false, causal, dropout);
    }

    HashSpec hash() {
      return rounds == 0 ? null : new HashSpec(rounds, List.of(4), selection, distinct);
    }

    AttentionSpec spec() {
      int longest = 2 * chunk + 3;
      int slots = 3 * chunk;
      Sequences sequences =
          Sequences.of(longest, new int[] {longest, chunk - 1}, new int[] {slots, chunk - 1});
      Sequences places = rounds == 0 ? sequences : hash().places(sequences, chunk);
      return new AttentionSpec(places, 2, headSize, chunk, before, 0, causal, dropout);
    }
  }

  static Stream<Arguments> cases() {
    return TestBackends.with(
        List.of(
            new Shape(64, 64, 1, true, Dropout.NONE),
            new Shape(64, 64, 3, true, DROPOUT),
            new Shape(64, 128, 2, false, Dropout.NONE),
            new Shape(128, 64, 0, true, Dropout.NONE),
            new Shape(64, 64, 0, false, DROPOUT),
            new Shape(64, 64, 1, 2, LshSelection.CAUSAL, false, true, Dropout.NONE),
            new Shape(128, 64, 1, 1, LshSelection.CAUSAL, false, true, DROPOUT),
            new Shape(128, 64, 2, 2, LshSelection.CAUSAL, false, true, Dropout.NONE),
            new Shape(64, 64, 2, 4, LshSelection.CAUSAL, true, true, DROPOUT),
            new Shape(64, 64, 1, 3, LshSelection.CAUSAL, true, true, Dropout.NONE),
            new Shape(64, 64, 1, 2, LshSelection.SORTED, true, false, Dropout.NONE)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void halfGradientsAreNearlyThoseOfFloats(String name, Shape shape) {
    try (Backend backend = TestBackends.open(name)) {
      if (!backend.activationTypes().contains(DType.BF16)) {
        IllegalArgumentException refused =
            assertThrows(IllegalArgumentException.class, () -> run(backend, shape, DType.BF16, 0));
        assertTrue(refused.getMessage().contains("F32"), refused.getMessage());
        return;
      }
      List<float[]> actual = run(backend, shape, DType.BF16, 0);
      List<float[]> plain = run(backend, shape, DType.BF16, 1);
      List<float[]> exact;
      try (Backend reference = TestBackends.reference()) {
        exact = run(reference, shape, DType.F32, 0);
      }
      assertFalse(Arrays.equals(actual.get(1), plain.get(1)), "both took the same path");
      for (int i = 0; i < exact.size(); i++) {
        double error = largestError(actual.get(i), exact.get(i));
        double allowed = 2 * largestError(plain.get(i), exact.get(i));
        assertTrue(error <= allowed, "result " + i + ": error " + error + ", allowed " + allowed);
      }
    }
  }

  private static double largestError(float[] values, float[] exact) {
    double error = 0;
    for (int i = 0; i < exact.length; i++) {
      double difference = Math.abs((double) values[i] - exact[i]);
      // NaN is an error of any size.
      error = difference <= error ? error : Double.isNaN(difference) ? 1e30 : difference;
    }
    return error;
  }

  /**
   * Returns out, dFirst, dValues, and for local attention dKeys.
   *
   * @param first the first column of the tensors in wider ones
   */
  private static List<float[]> run(Backend backend, Shape shape, DType type, int first) {
    AttentionSpec spec = shape.spec();
    Random random = new Random(shape.rounds + shape.headSize);
    try (TensorScope scope = backend.scope("test")) {
      List<Tensor> tensors = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        tensors.add(normals(backend, scope, spec, type, first, random));
      }
      final Tensor queries = tensors.get(0);
      final Tensor keys = tensors.get(1);
      final Tensor values = tensors.get(2);
      final Tensor dOut = tensors.get(3);
      final Tensor out = tensors.get(4);
      final Tensor dQueries = tensors.get(5);
      final Tensor dValues = tensors.get(6);
      final Tensor dKeys = tensors.get(7);
      int batch = spec.sequences().batch();
      int stride = spec.sequences().stride();
      Tensor lse = scope.allocate(DType.F32, batch, spec.heads(), stride);
      Tensor mask = scope.allocate(DType.I32, batch, stride);
      int[] visible = random.ints((long) batch * stride, 0, 8).map(x -> x == 0 ? 0 : 1).toArray();
      backend.upload(mask, visible);
      List<Tensor> results = List.of(out, dQueries, dValues);
      if (shape.rounds > 0) {
        HashSpec hash = shape.hash();
        Tensor buckets = scope.allocate(DType.I32, batch, spec.heads(), shape.rounds, stride);
        int[] numbers = random.ints(buckets.elements(), 0, 4).toArray();
        for (int i = 0; i < numbers.length; i++) {
          int b = i / (stride * shape.rounds * spec.heads());
          numbers[i] = visible[b * stride + i % stride] == 0 ? 4 : numbers[i];
        }
        backend.upload(buckets, numbers);
        Tensor order = scope.allocate(DType.I32, batch, spec.heads(), shape.rounds, stride);
        backend.lshSort(order, buckets, spec.sequences(), hash);
        if (hash.usesRuns()) {
          int entries = RunLayout.of(spec, hash).entries();
          Tensor runs = scope.allocate(DType.I32, batch, spec.heads(), shape.rounds, entries);
          backend.lshRuns(runs, order, buckets, spec, hash);
          order = runs;
        }
        backend.lshAttention(out, lse, queries, values, order, mask, null, spec, hash);
        backend.lshAttentionBackward(
            dQueries, dValues, dOut, out, lse, queries, values, order, mask, null, spec, hash);
      } else {
        backend.localAttention(out, lse, queries, keys, values, mask, null, spec);
        backend.localAttentionBackward(
            dQueries, dKeys, dValues, dOut, out, lse, queries, keys, values, mask, null, spec);
        results = List.of(out, dQueries, dValues, dKeys);
      }
      return results.stream().map(backend::download).toList();
    }
  }

  private static Tensor normals(
      Backend backend,
      TensorScope scope,
      AttentionSpec spec,
      DType type,
      int first,
      Random random) {
    long rows = spec.sequences().rows();
    Tensor view = scope.allocate(type, rows, spec.width() + 8).columns(first, spec.width());
    float[] numbers = new float[(int) rows * spec.width()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = Bfloat16.fromBits(Bfloat16.toBits((float) random.nextGaussian()));
    }
    backend.upload(view, numbers);
    return view;
  }
}
