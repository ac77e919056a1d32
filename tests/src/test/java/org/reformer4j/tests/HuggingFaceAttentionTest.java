package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Both attentions, a table of cases, against Hugging Face's arithmetic in double. */
class HuggingFaceAttentionTest {
  private static final int CHUNK = 8;
  private static final int HEADS = 2;
  private static final double STEP = 1e-5;

  /** A case; rounds 0 is local attention. */
  private record Case(
      int rounds,
      int[] factors,
      int[] lengths,
      int before,
      int after,
      boolean causal,
      boolean masked,
      boolean headMask,
      boolean dropout) {
    AttentionSpec spec() {
      int stride = Arrays.stream(lengths).max().orElseThrow();
      int[] slots =
          Arrays.stream(lengths)
              .map(n -> n <= CHUNK ? n : (n + CHUNK - 1) / CHUNK * CHUNK)
              .toArray();
      Dropout dropped =
          new Dropout(0.3f, new Philox.Stream(5, 1, 2, RandomPurpose.ATTENTION_PROBABILITIES));
      return new AttentionSpec(
          Sequences.of(stride, lengths, slots),
          HEADS,
          6,
          CHUNK,
          before,
          after,
          causal,
          dropout ? dropped : Dropout.NONE);
    }

    HashSpec hash() {
      return rounds == 0 ? null : HashSpec.of(rounds, factors);
    }

    @Override
    public String toString() {
      return (rounds == 0 ? "local" : "lsh R=" + rounds + " " + Arrays.toString(factors))
          + (" lengths " + Arrays.toString(lengths) + " chunks -" + before + "+" + after)
          + (causal ? " causal" : " bidirectional")
          + (masked ? " masked" : "")
          + (headMask ? " head mask" : "")
          + (dropout ? " dropout" : "");
    }
  }

  static Stream<Arguments> cases() {
    List<Case> cases = new ArrayList<>();
    int[] plain = {8};
    for (int rounds = 0; rounds <= 8; rounds++) {
      for (boolean causal : new boolean[] {true, false}) {
        cases.add(
            new Case(
                rounds, plain, new int[] {37, 16}, 1, 0, causal, rounds % 2 == 0, false, false));
      }
    }
    for (int rounds : new int[] {0, 1, 3}) {
      int[] factors = rounds == 3 ? new int[] {2, 4, 2} : plain;
      for (boolean causal : new boolean[] {true, false}) {
        // No look-back, two back, both ways.
        cases.add(new Case(rounds, factors, new int[] {40}, 0, 0, causal, false, false, false));
        cases.add(new Case(rounds, factors, new int[] {40}, 2, 0, causal, true, false, false));
        cases.add(new Case(rounds, factors, new int[] {33, 9}, 1, 1, causal, true, true, false));
        // Two chunks: a window meets the same chunk twice.
        cases.add(new Case(rounds, factors, new int[] {16}, 1, 1, causal, false, false, false));
        // Below, at and just above a chunk, in one batch.
        cases.add(
            new Case(rounds, factors, new int[] {7, 8, 9, 1}, 1, 0, causal, true, false, false));
        cases.add(new Case(rounds, factors, new int[] {31, 8}, 1, 0, causal, true, true, true));
      }
    }
    return TestBackends.names().stream()
        .flatMap(name -> cases.stream().map(c -> Arguments.of(name, c)));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void agrees(String name, Case c) {
    Random random = new Random(c.toString().hashCode());
    AttentionSpec spec = c.spec();
    int rows = (int) spec.sequences().rows();
    int[] keyMask = c.masked() ? random.ints(rows, 0, 4).map(x -> x == 0 ? 0 : 1).toArray() : null;
    float[] headMask = c.headMask() ? new float[] {0.5f, 1.5f} : null;
    int[] buckets = c.rounds() == 0 ? null : buckets(c, spec, keyMask, random);
    HuggingFaceAttention oracle =
        new HuggingFaceAttention(spec, c.hash(), buckets, keyMask, headMask);
    Map<String, double[]> inputs = new LinkedHashMap<>();
    for (String input : List.of("queries", "keys", "values", "dOut")) {
      inputs.put(input, normals(random, rows * spec.width()));
    }
    double[] expected = attend(c, oracle, inputs);
    int skipped = 0;
    for (int i = 0; i < expected.length; i++) {
      if (oracle.ambiguous[i / spec.width()][i % spec.width() / spec.headSize()]) {
        inputs.get("dOut")[i] = 0;
        skipped++;
      }
    }
    assertTrue(skipped < expected.length / 2, "too little is comparable: " + skipped);
    Map<String, float[]> actual = run(name, c, inputs, buckets, keyMask, headMask);
    for (int i = 0; i < expected.length; i++) {
      if (!oracle.ambiguous[i / spec.width()][i % spec.width() / spec.headSize()]) {
        assertEquals(expected[i], actual.get("out")[i], Tolerances.ATTENTION, "out " + i);
      }
    }
    for (String input : List.of("queries", "keys", "values")) {
      if (!input.equals("keys") || c.rounds() == 0) {
        slopes(c, oracle, inputs, input, actual.get("d" + input), random);
      }
    }
  }

  private static double[] attend(
      Case c, HuggingFaceAttention oracle, Map<String, double[]> inputs) {
    double[] keys = inputs.get(c.rounds() == 0 ? "keys" : "queries");
    return oracle.attend(inputs.get("queries"), keys, inputs.get("values"));
  }

  private static double weighted(
      Case c, HuggingFaceAttention oracle, Map<String, double[]> inputs) {
    double[] out = attend(c, oracle, inputs);
    double sum = 0;
    for (int i = 0; i < out.length; i++) {
      sum += out[i] * inputs.get("dOut")[i];
    }
    return sum;
  }

  private static void slopes(
      Case c,
      HuggingFaceAttention oracle,
      Map<String, double[]> inputs,
      String input,
      float[] gradient,
      Random random) {
    double[] base = inputs.get(input);
    double size = 0;
    for (float g : gradient) {
      size += (double) g * g;
    }
    for (int n = 0; n < 3; n++) {
      double[] up = base.clone();
      double[] down = base.clone();
      double slope = 0;
      for (int i = 0; i < base.length; i++) {
        double direction = random.nextGaussian();
        up[i] += STEP * direction;
        down[i] -= STEP * direction;
        slope += direction * gradient[i];
      }
      inputs.put(input, up);
      double high = weighted(c, oracle, inputs);
      inputs.put(input, down);
      double low = weighted(c, oracle, inputs);
      inputs.put(input, base);
      assertEquals(
          (high - low) / (2 * STEP), slope, Tolerances.SLOPE * (1 + Math.sqrt(size)), "d" + input);
    }
  }

  /** Random buckets; masked tokens and rows behind a sequence lie in the padding bucket. */
  private static int[] buckets(Case c, AttentionSpec spec, int[] keyMask, Random random) {
    int stride = spec.sequences().stride();
    int count = c.hash().buckets();
    int[] numbers = random.ints(spec.sequences().rows() * HEADS * c.rounds(), 0, count).toArray();
    for (int i = 0; i < numbers.length; i++) {
      int b = i / (stride * HEADS * c.rounds());
      boolean behind = i % stride >= spec.sequences().length(b);
      if (behind || (keyMask != null && keyMask[b * stride + i % stride] == 0)) {
        numbers[i] = count;
      }
    }
    return numbers;
  }

  /** Returns numbers that a float holds exactly. */
  private static double[] normals(Random random, int n) {
    double[] numbers = new double[n];
    Arrays.setAll(numbers, i -> (float) random.nextGaussian());
    return numbers;
  }

  private static Map<String, float[]> run(
      String name,
      Case c,
      Map<String, double[]> inputs,
      int[] buckets,
      int[] keyMask,
      float[] headMask) {
    AttentionSpec spec = c.spec();
    int batch = spec.sequences().batch();
    int stride = spec.sequences().stride();
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Map<String, Tensor> t = new LinkedHashMap<>();
      for (String matrix : List.of("out", "dqueries", "dkeys", "dvalues")) {
        t.put(matrix, scope.allocate(DType.F32, batch * stride, spec.width()));
      }
      inputs.forEach(
          (input, numbers) -> {
            float[] narrow = new float[numbers.length];
            for (int i = 0; i < narrow.length; i++) {
              narrow[i] = (float) numbers[i];
            }
            t.put(input, scope.allocate(DType.F32, batch * stride, spec.width()));
            backend.upload(t.get(input), narrow);
          });
      Tensor lse = scope.allocate(DType.F32, batch, HEADS, stride);
      Tensor mask = keyMask == null ? null : scope.allocate(DType.I32, batch, stride);
      if (mask != null) {
        backend.upload(mask, keyMask);
      }
      Tensor heads = headMask == null ? null : scope.allocate(DType.F32, HEADS);
      if (heads != null) {
        backend.upload(heads, headMask);
      }
      Tensor q = t.get("queries");
      Tensor v = t.get("values");
      Tensor out = t.get("out");
      Tensor dOut = t.get("dOut");
      Tensor dQ = t.get("dqueries");
      Tensor dK = t.get("dkeys");
      Tensor dV = t.get("dvalues");
      if (c.rounds() == 0) {
        Tensor k = t.get("keys");
        backend.localAttention(out, lse, q, k, v, mask, heads, spec);
        backend.localAttentionBackward(dQ, dK, dV, dOut, out, lse, q, k, v, mask, heads, spec);
      } else {
        Tensor b = scope.allocate(DType.I32, batch, HEADS, c.rounds(), stride);
        backend.upload(b, buckets);
        Tensor o = scope.allocate(DType.I32, batch, HEADS, c.rounds(), stride);
        backend.lshSort(o, b, spec.sequences(), c.hash());
        backend.lshAttention(out, lse, q, v, o, mask, heads, spec, c.hash());
        backend.lshAttentionBackward(dQ, dV, dOut, out, lse, q, v, o, mask, heads, spec, c.hash());
      }
      Map<String, float[]> results = new LinkedHashMap<>();
      for (String result : List.of("out", "dqueries", "dkeys", "dvalues")) {
        results.put(result, backend.download(t.get(result)));
      }
      return results;
    }
  }
}
