package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
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

/** LSH and local attention, forward and backward, on random cases against a double oracle. */
class AttentionTest {
  private static final int CASES = 110;

  /** Cases from here on are LSH attention over runs of chunks. */
  private static final int RUNS = 60;

  static Stream<Arguments> cases() {
    return TestBackends.names().stream()
        .flatMap(name -> IntStream.range(0, CASES).mapToObj(seed -> Arguments.of(name, seed)));
  }

  /** One random case: shapes, masks and values. */
  private static final class Case {
    final Random random;
    final boolean lsh;
    final AttentionSpec spec;
    final HashSpec hash;
    final int[] buckets;
    final int[] keyMask;
    final float[] headMask;
    final float[] first;
    final float[] second;
    final float[] values;
    final float[] dOut;

    Case(int seed) {
      random = new Random(seed);
      lsh = seed % 2 == 0 || seed >= RUNS;
      int chunk = 2 + random.nextInt(5);
      int batch = 1 + random.nextInt(3);
      int stride = 1 + random.nextInt(6 * chunk);
      int[] lengths = new int[batch];
      int[] slots = new int[batch];
      for (int b = 0; b < batch; b++) {
        lengths[b] = b == 0 ? stride : 1 + random.nextInt(stride);
        slots[b] = lengths[b] <= chunk ? lengths[b] : (lengths[b] + chunk - 1) / chunk * chunk;
        // Sometimes more empty chunks than needed, as padding to another layer's chunk gives.
        slots[b] += lengths[b] > chunk && random.nextInt(3) == 0 ? chunk : 0;
      }
      boolean dropped = random.nextInt(4) == 0;
      Dropout dropout =
          dropped
              ? new Dropout(
                  0.3f, new Philox.Stream(seed, 5, 1, RandomPurpose.ATTENTION_PROBABILITIES))
              : Dropout.NONE;
      final int heads = 1 + random.nextInt(3);
      final int headSize = 1 + random.nextInt(6);
      final int before = random.nextInt(3);
      final int after = random.nextInt(2);
      final boolean causal = random.nextBoolean();
      final int rounds = 1 + random.nextInt(8);
      hash = lsh ? hash(seed, rounds) : null;
      Sequences sequences = Sequences.of(stride, lengths, slots);
      spec =
          new AttentionSpec(
              lsh ? hash.places(sequences, chunk) : sequences,
              heads,
              headSize,
              chunk,
              before,
              after,
              causal,
              dropout);
      int rows = batch * stride;
      keyMask = random.nextInt(3) == 0 ? mask(rows) : null;
      buckets = lsh ? buckets(rows, rounds) : null;
      headMask = random.nextInt(3) == 0 ? normals(spec.heads()) : null;
      first = normals(rows * spec.width());
      second = normals(rows * spec.width());
      values = normals(rows * spec.width());
      dOut = normals(rows * spec.width());
    }

    private static HashSpec hash(int seed, int rounds) {
      return switch (seed < RUNS ? -1 : seed % 3) {
        case 0 -> new HashSpec(rounds, List.of(2, 4), LshSelection.CAUSAL, false);
        case 1 -> new HashSpec(rounds, List.of(2, 4), LshSelection.CAUSAL, true);
        case 2 -> new HashSpec(rounds, List.of(2, 4), LshSelection.SORTED, true);
        default -> HashSpec.of(rounds, 2, 4);
      };
    }

    private int[] mask(int rows) {
      return random.ints(rows, 0, 10).map(x -> x < 3 ? 0 : 1).toArray();
    }

    private int[] buckets(int rows, int rounds) {
      int stride = spec.sequences().stride();
      int[] numbers = random.ints((long) rows * spec.heads() * rounds, 0, 8).toArray();
      for (int i = 0; i < numbers.length; i++) {
        int b = i / (stride * rounds * spec.heads());
        if (keyMask != null && keyMask[b * stride + i % stride] == 0) {
          numbers[i] = 8;
        }
      }
      return numbers;
    }

    private float[] normals(int n) {
      float[] numbers = new float[n];
      for (int i = 0; i < n; i++) {
        numbers[i] = (float) random.nextGaussian();
      }
      return numbers;
    }

    double[][] oracle(double[][] q, double[][] k, double[][] v) {
      return new AttentionOracle(spec, hash, buckets, keyMask, headMask).attend(q, lsh ? q : k, v);
    }

    double[][] wide(float[] numbers) {
      double[][] rows = new double[numbers.length / spec.width()][spec.width()];
      for (int i = 0; i < numbers.length; i++) {
        rows[i / spec.width()][i % spec.width()] = numbers[i];
      }
      return rows;
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheOracle(String backendName, int seed) {
    Case c = new Case(seed);
    try (Backend backend = TestBackends.open(backendName);
        TensorScope scope = backend.scope("test")) {
      List<float[]> results = run(c, backend, scope);
      double[][] first = c.wide(c.first);
      double[][] second = c.wide(c.second);
      double[][] values = c.wide(c.values);
      double[][] expected = c.oracle(first, second, values);
      int width = c.spec.width();
      for (int i = 0; i < c.first.length; i++) {
        assertEquals(
            expected[i / width][i % width], results.get(0)[i], Tolerances.OUTPUT, "out " + i);
      }
      DoubleSupplier weighted = () -> weighted(c, c.oracle(first, second, values));
      gradient("dFirst", c, first, weighted, results.get(1));
      if (!c.lsh) {
        gradient("dKeys", c, second, weighted, results.get(3));
      }
      gradient("dValues", c, values, weighted, results.get(2));
    }
  }

  /** Compares some elements of a gradient with central differences of the oracle. */
  private static void gradient(
      String name, Case c, double[][] input, DoubleSupplier weighted, float[] actual) {
    double largest = 1;
    for (float value : actual) {
      largest = Math.max(largest, Math.abs(value));
    }
    int width = c.spec.width();
    for (int n = 0; n < 12; n++) {
      int i = c.random.nextInt(actual.length);
      double old = input[i / width][i % width];
      double step = 1e-5;
      input[i / width][i % width] = old + step;
      double up = weighted.getAsDouble();
      input[i / width][i % width] = old - step;
      double down = weighted.getAsDouble();
      input[i / width][i % width] = old;
      double expected = (up - down) / (2 * step);
      assertEquals(
          expected, actual[i], Tolerances.FINITE_DIFFERENCE * largest, name + "[" + i + "]");
    }
  }

  private static double weighted(Case c, double[][] out) {
    double sum = 0;
    for (int i = 0; i < c.dOut.length; i++) {
      sum += out[i / c.spec.width()][i % c.spec.width()] * c.dOut[i];
    }
    return sum;
  }

  /** Returns out, dFirst, dValues, and for local attention dKeys. */
  private static List<float[]> run(Case c, Backend backend, TensorScope scope) {
    Tensor first = matrix(c, c.first, backend, scope);
    Tensor second = matrix(c, c.second, backend, scope);
    Tensor values = matrix(c, c.values, backend, scope);
    Tensor dOut = matrix(c, c.dOut, backend, scope);
    Tensor out = matrix(c, c.dOut, backend, scope);
    Tensor dFirst = matrix(c, c.dOut, backend, scope);
    Tensor dSecond = matrix(c, c.dOut, backend, scope);
    Tensor dValues = matrix(c, c.dOut, backend, scope);
    int batch = c.spec.sequences().batch();
    int stride = c.spec.sequences().stride();
    Tensor lse = scope.allocate(DType.F32, batch, c.spec.heads(), stride);
    Tensor mask = null;
    if (c.keyMask != null) {
      mask = scope.allocate(DType.I32, batch, stride);
      backend.upload(mask, c.keyMask);
    }
    Tensor heads = null;
    if (c.headMask != null) {
      heads = scope.allocate(DType.F32, c.spec.heads());
      backend.upload(heads, c.headMask);
    }
    if (c.lsh) {
      Tensor buckets = scope.allocate(DType.I32, batch, c.spec.heads(), c.hash.rounds(), stride);
      backend.upload(buckets, c.buckets);
      Tensor order = scope.allocate(DType.I32, batch, c.spec.heads(), c.hash.rounds(), stride);
      backend.lshSort(order, buckets, c.spec.sequences(), c.hash);
      if (c.hash.usesRuns()) {
        int entries = RunLayout.of(c.spec, c.hash).entries();
        Tensor runs = scope.allocate(DType.I32, batch, c.spec.heads(), c.hash.rounds(), entries);
        backend.lshRuns(runs, order, buckets, c.spec, c.hash);
        order = runs;
      } else {
        ruinUnread(c, backend, order);
      }
      backend.lshAttention(out, lse, first, values, order, mask, heads, c.spec, c.hash);
      backend.lshAttentionBackward(
          dFirst, dValues, dOut, out, lse, first, values, order, mask, heads, c.spec, c.hash);
    } else {
      backend.localAttention(out, lse, first, second, values, mask, heads, c.spec);
      backend.localAttentionBackward(
          dFirst, dSecond, dValues, dOut, out, lse, first, second, values, mask, heads, c.spec);
    }
    List<float[]> results = new ArrayList<>();
    for (Tensor tensor : List.of(out, dFirst, dValues, dSecond)) {
      results.add(backend.download(tensor));
    }
    return results;
  }

  /** Overwrites what an order holds behind a sequence, which no attention may read. */
  private static void ruinUnread(Case c, Backend backend, Tensor order) {
    Sequences sequences = c.spec.sequences();
    int[] places = backend.downloadInts(order);
    int perSequence = places.length / sequences.batch();
    for (int i = 0; i < places.length; i++) {
      if (i % sequences.stride() >= sequences.length(i / perSequence)) {
        places[i] = Integer.MAX_VALUE;
      }
    }
    backend.upload(order, places);
  }

  /** Uploads into a view of a wider matrix, so that row strides are tested as well. */
  private static Tensor matrix(Case c, float[] numbers, Backend backend, TensorScope scope) {
    long rows = c.spec.sequences().rows();
    Tensor view = scope.allocate(DType.F32, rows, c.spec.width() + 3).columns(2, c.spec.width());
    backend.upload(view, numbers);
    return view;
  }
}
