package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** What every backend must do, and what it must refuse. */
class KernelContractTest {
  static List<String> backends() {
    return TestBackends.names();
  }

  private static Tensor normal(Backend backend, TensorScope scope, Random random, long... dims) {
    Tensor tensor = scope.allocate(DType.F32, dims);
    float[] values = new float[(int) tensor.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    backend.upload(tensor, values);
    return tensor;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void productsAgreeWithTheFormula(String name) {
    int[][] sizes = {{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {4, 530, 260}, {70, 3, 513}, {2, 6, 0}};
    Random random = new Random(3);
    for (int[] size : sizes) {
      for (int flags = 0; flags < 8; flags++) {
        try (Backend backend = TestBackends.open(name);
            TensorScope scope = backend.scope("test")) {
          product(backend, scope, random, size, (flags & 1) > 0, (flags & 2) > 0, (flags & 4) > 0);
        }
      }
    }
  }

  private static void product(
      Backend backend,
      TensorScope scope,
      Random random,
      int[] size,
      boolean transposeA,
      boolean transposeB,
      boolean add) {
    int m = size[0];
    int n = size[1];
    int k = size[2];
    Tensor a = normal(backend, scope, random, transposeA ? k : m, transposeA ? m : k);
    Tensor b = normal(backend, scope, random, transposeB ? n : k, transposeB ? k : n);
    Tensor c = normal(backend, scope, random, m, n + 4).columns(3, n);
    float[] old = backend.download(c);
    float[] left = backend.download(a);
    float[] right = backend.download(b);
    backend.gemm(c, a, transposeA, b, transposeB, 0.5f, add ? 2f : 0f);
    float[] actual = backend.download(c);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int p = 0; p < k; p++) {
          sum +=
              (double) left[transposeA ? p * m + i : i * k + p]
                  * right[transposeB ? j * k + p : p * n + j];
        }
        double expected = 0.5 * sum + (add ? 2 * old[i * n + j] : 0);
        assertEquals(expected, actual[i * n + j], 2e-5 * (1 + Math.sqrt(k)), i + "," + j);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void bucketsAgreeWithTheFormula(String name) {
    Random random = new Random(5);
    for (HashSpec hash : List.of(HashSpec.of(1, 6), HashSpec.of(3, 4, 6), HashSpec.of(2, 2, 2))) {
      try (Backend backend = TestBackends.open(name);
          TensorScope scope = backend.scope("test")) {
        Sequences sequences = Sequences.of(70, new int[] {70, 9}, new int[] {72, 12});
        AttentionSpec spec = new AttentionSpec(sequences, 2, 5, 4, 1, 0, true, Dropout.NONE);
        int columns = hash.rounds() * hash.rotationColumns();
        Tensor x = normal(backend, scope, random, 140, 10);
        Tensor rotations = normal(backend, scope, random, 2, 5, columns);
        Tensor buckets = scope.allocate(DType.I32, 2, 2, hash.rounds(), 70);
        Tensor mask = scope.allocate(DType.I32, 2, 70);
        backend.upload(mask, random.ints(140, 0, 5).map(v -> v == 0 ? 0 : 1).toArray());
        backend.lshBuckets(buckets, x, rotations, mask, spec, hash);
        int[] actual = backend.downloadInts(buckets);
        float[] rows = backend.download(x);
        float[] r = backend.download(rotations);
        int[] seen = backend.downloadInts(mask);
        for (int i = 0; i < actual.length; i++) {
          int t = i % 70;
          int round = i / 70 % hash.rounds();
          int h = i / 70 / hash.rounds() % 2;
          int b = i / 70 / hash.rounds() / 2;
          boolean hidden = t >= sequences.length(b) || seen[b * 70 + t] == 0;
          int expected =
              hidden ? hash.buckets() : bucket(rows, (b * 70 + t) * 10 + h * 5, r, h, round, hash);
          assertEquals(expected, actual[i], "b" + b + " h" + h + " r" + round + " t" + t);
        }
      }
    }
  }

  private static int bucket(
      float[] rows, int from, float[] rotations, int h, int round, HashSpec hash) {
    int columns = hash.rounds() * hash.rotationColumns();
    int first = round * hash.rotationColumns();
    int bucket = 0;
    int product = 1;
    for (int factor : hash.factors()) {
      int best = -1;
      double high = Double.NEGATIVE_INFINITY;
      for (int candidate = 0; candidate < factor; candidate++) {
        int half = factor / 2;
        double value = 0;
        for (int d = 0; d < 5; d++) {
          value +=
              (double) rows[from + d] * rotations[(h * 5 + d) * columns + first + candidate % half];
        }
        value = candidate < half ? value : -value;
        if (value > high) {
          high = value;
          best = candidate;
        }
      }
      bucket += product * best;
      product *= factor;
      first += factor / 2;
    }
    return bucket;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void crossEntropyAgreesWithTheFormula(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor logits = normal(backend, scope, new Random(4), 4, 6);
      float[] x = backend.download(logits);
      int[] labels = {2, -100, 5, 0};
      Tensor targets = scope.allocate(DType.I32, 4);
      backend.upload(targets, labels);
      Tensor loss = scope.allocate(DType.F32, 4);
      backend.crossEntropy(loss, logits, logits, targets, -100, 0.25f);
      float[] losses = backend.download(loss);
      float[] gradient = backend.download(logits);
      for (int i = 0; i < 4; i++) {
        double sum = 0;
        for (int j = 0; j < 6; j++) {
          sum += Math.exp(x[i * 6 + j]);
        }
        boolean counts = labels[i] >= 0;
        assertEquals(
            counts ? Math.log(sum) - x[i * 6 + labels[i]] : 0, losses[i], 1e-6, "loss " + i);
        for (int j = 0; j < 6; j++) {
          double p = Math.exp(x[i * 6 + j]) / sum - (j == labels[i] ? 1 : 0);
          assertEquals(counts ? 0.25 * p : 0, gradient[i * 6 + j], 1e-7, i + "," + j);
        }
      }
      backend.upload(targets, new int[] {1, 2, 6, 0});
      refused("targets[2]", () -> backend.crossEntropy(loss, null, logits, targets, -100, 1f));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void wrongShapesAreNamed(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor a = scope.allocate(DType.F32, 3, 4);
      Tensor b = scope.allocate(DType.F32, 5, 6);
      Tensor v = scope.allocate(DType.F32, 7);
      Tensor ids = scope.allocate(DType.I32, 3);
      refused("[K, N] = [4, 4]", () -> backend.gemm(a, a, false, b, false, 1, 0));
      refused("gain", () -> backend.layerNorm(a, a, v, v, 1e-5f));
      refused("y must be F32 [N, D]", () -> backend.residual(a, b, null, 1, Dropout.NONE));
      refused("sign", () -> backend.residual(a, a, null, 2, Dropout.NONE));
      refused("dBias", () -> backend.biasGradient(v, a));
      refused("positions[1] must be in 0..6", () -> embed(backend, a, ids, 7));
      refused("got I32", () -> backend.gemm(ids, a, false, b, false, 1, 0));
      refused("upload", () -> backend.upload(a, new float[5]));
      refused("copy", () -> backend.copy(a, b));
      refused("reshape", () -> a.reshape(5, 5));
      refused("-1", () -> scope.allocate(DType.F32, -1, 4));
      Sequences sequences = Sequences.full(1, 3);
      AttentionSpec spec = new AttentionSpec(sequences, 2, 2, 4, 1, 0, true, Dropout.NONE);
      refused("keys", () -> backend.localAttention(a, v, a, b, a, null, null, spec));
      refused("lse", () -> backend.localAttention(a, v, a, a, a, null, null, spec));
      refused(
          "multiple",
          () -> new AttentionSpec(Sequences.full(1, 9), 2, 2, 4, 1, 0, true, Dropout.NONE));
    }
  }

  private static void embed(Backend backend, Tensor out, Tensor ids, int position) {
    try (TensorScope scope = backend.scope("embed")) {
      Tensor positions = scope.allocate(DType.I32, 3);
      backend.upload(positions, new int[] {0, position, 1});
      backend.upload(ids, new int[] {0, 0, 0});
      Tensor tokens = scope.allocate(DType.F32, 2, 4);
      Tensor table = scope.allocate(DType.F32, 7, 4);
      EmbeddingSpec spec =
          new EmbeddingSpec(
              List.of(new EmbeddingSpec.Axis(7, 4, 1)), Dropout.NONE, Dropout.NONE, 3);
      backend.embed(out, ids, positions, tokens, List.of(table), spec);
    }
  }

  private static void refused(String words, Runnable call) {
    IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(error.getMessage().contains(words), error.getMessage());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aSecondThreadAndUseAfterCloseAreRefused(String name) throws InterruptedException {
    Backend backend = TestBackends.open(name);
    CountDownLatch inside = new CountDownLatch(1);
    AtomicReference<Throwable> seen = new AtomicReference<>();
    try (TensorScope scope = backend.scope("test")) {
      Tensor big = scope.allocate(DType.F32, 700, 700);
      backend.fill(big, 0.1f);
      Thread other =
          new Thread(
              () -> {
                inside.countDown();
                for (int i = 0; i < 200 && seen.get() == null; i++) {
                  try {
                    backend.gemm(big, big, false, big, false, 1e-6f, 0f);
                  } catch (IllegalStateException e) {
                    seen.set(e);
                  }
                }
              });
      other.start();
      inside.await();
      for (int i = 0; i < 100_000 && seen.get() == null && other.isAlive(); i++) {
        try {
          backend.sumOfSquares(big);
        } catch (IllegalStateException e) {
          seen.set(e);
        }
      }
      other.join();
    }
    assertTrue(seen.get() != null, "two threads inside at once went unnoticed");
    assertTrue(seen.get().getMessage().contains("one backend per thread"), "" + seen.get());
    TensorScope late = backend.scope("late");
    Tensor tensor = late.allocate(DType.F32, 2);
    backend.close();
    assertThrows(IllegalStateException.class, () -> backend.fill(tensor, 0f));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void viewsShareMemory(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor all = scope.allocate(DType.F32, 4, 6);
      backend.fill(all, 0f);
      backend.fill(all.columns(2, 3).rows(1, 2), 1f);
      float[] expected = new float[24];
      for (int i : new int[] {8, 9, 10, 14, 15, 16}) {
        expected[i] = 1f;
      }
      assertArrayEquals(expected, backend.download(all));
      assertEquals(6.0, backend.sumOfSquares(all));
      Tensor target = scope.allocate(DType.F32, 2, 3);
      backend.copy(target, all.columns(3, 3).rows(1, 2));
      assertArrayEquals(new float[] {1, 1, 0, 1, 1, 0}, backend.download(target));
    }
  }
}
