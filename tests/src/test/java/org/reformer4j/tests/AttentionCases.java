package org.reformer4j.tests;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Sequences;
import org.reformer4j.tests.KernelCases.Arg;
import org.reformer4j.tests.KernelCases.Case;
import org.reformer4j.tests.KernelCases.Role;

/** The part of {@link KernelCases} that hashes and attends: a ragged batch, masks, dropout. */
final class AttentionCases {
  private static final Sequences SEQUENCES =
      Sequences.of(37, new int[] {37, 22}, new int[] {40, 24});
  private static final int ROWS = 74;
  private static final int WIDTH = 10;
  private static final HashSpec HASH = HashSpec.of(3, 2, 4);

  /** Every bucket in chunks of its own, each key once. */
  private static final HashSpec RUNS = new HashSpec(3, List.of(2, 4), LshSelection.CAUSAL, true);

  private AttentionCases() {}

  static List<Case> all() {
    List<Case> cases = new ArrayList<>();
    cases.addAll(List.of(lshBuckets(DType.F32), lshBuckets(DType.I8), lshSort(), lshRuns()));
    for (boolean causal : new boolean[] {false, true}) {
      AttentionSpec spec =
          new AttentionSpec(
              SEQUENCES,
              2,
              5,
              8,
              1,
              causal ? 0 : 1,
              causal,
              KernelCases.mask(RandomPurpose.ATTENTION_PROBABILITIES).from(5));
      cases.addAll(List.of(lsh(spec), lshBackward(spec), local(spec), localBackward(spec)));
    }
    return cases;
  }

  private static KernelCases garbage(String name) {
    return garbage(name, 37);
  }

  private static KernelCases garbage(String name, int entries) {
    int[] garbage = new int[2 * 2 * 3 * entries];
    Arrays.fill(garbage, 77);
    long[] dims = {2, 2, 3, entries};
    return new KernelCases().put(new Arg(name, Role.OUT, DType.I32, dims, garbage, false, false));
  }

  private static Case lshBuckets(DType rotations) {
    AttentionSpec spec = new AttentionSpec(SEQUENCES, 2, 5, 8, 1, 0, true, Dropout.NONE);
    KernelCases table = garbage("buckets").in("queryKeys", ROWS, WIDTH);
    int columns = 3 * HASH.rotationColumns();
    if (rotations == DType.I8) {
      table.bytes("rotations", 2, columns, 5);
    } else {
      table.in("rotations", 2, 5, columns);
    }
    return table
        .ints("keyMask", true, 2, 2, 37)
        .call(
            "lshBuckets",
            "" + rotations,
            (k, t) -> k.lshBuckets(t[0], t[1], t[2], t[3], spec, HASH));
  }

  private static Case lshSort() {
    return garbage("order")
        .ints("buckets", false, 9, 2, 2, 3, 37)
        .call("lshSort", "", (k, t) -> k.lshSort(t[0], t[1], SEQUENCES, HASH));
  }

  private static Case lshRuns() {
    AttentionSpec spec =
        new AttentionSpec(RUNS.places(SEQUENCES, 8), 2, 5, 8, 1, 0, true, Dropout.NONE);
    return garbage("runs", RunLayout.of(spec, RUNS).entries())
        .put(order())
        .put(
            new Arg(
                "buckets",
                Role.IN,
                DType.I32,
                new long[] {2, 2, 3, 37},
                orderedBuckets(),
                false,
                false))
        .call("lshRuns", "", (k, t) -> k.lshRuns(t[0], t[1], t[2], spec, RUNS));
  }

  private static KernelCases masks(KernelCases table) {
    return table.ints("keyMask", true, 2, 2, 37).put(Role.IN, "headMask", true, false, 2);
  }

  /** What a sort of random buckets gives: each sequence's own tokens first. */
  private static Arg order() {
    int stride = SEQUENCES.stride();
    int[] all = orderedBuckets();
    int[] order = new int[2 * 2 * 3 * stride];
    for (int segment = 0; segment < 2 * 2 * 3; segment++) {
      int[] buckets = Arrays.copyOfRange(all, segment * stride, (segment + 1) * stride);
      int[] places = sorted(buckets, SEQUENCES.length(segment / (2 * 3)));
      System.arraycopy(places, 0, order, segment * stride, stride);
    }
    long[] dims = {2, 2, 3, stride};
    return new Arg("order", Role.IN, DType.I32, dims, order, false, false);
  }

  /** The buckets that {@link #order} comes from. */
  private static int[] orderedBuckets() {
    return new Random(23).ints(2L * 2 * 3 * SEQUENCES.stride(), 0, 8).toArray();
  }

  /** Returns 0 .. length-1 by bucket, ties in order, then the positions behind. */
  static int[] sorted(int[] buckets, int length) {
    // The sort of a stream of objects is stable.
    IntStream own =
        IntStream.range(0, length)
            .boxed()
            .sorted(Comparator.comparingInt(t -> buckets[t]))
            .mapToInt(t -> t);
    return IntStream.concat(own, IntStream.range(length, buckets.length)).toArray();
  }

  private static Case lsh(AttentionSpec spec) {
    return masks(
            new KernelCases()
                .out("out", ROWS, WIDTH)
                .out("lse", 2, 2, 37)
                .in("queryKeys", ROWS, WIDTH)
                .in("values", ROWS, WIDTH)
                .put(order()))
        .call(
            "lshAttention",
            spec.causal() ? "causal" : "bidirectional",
            (k, t) -> k.lshAttention(t[0], t[1], t[2], t[3], t[4], t[5], t[6], spec, HASH));
  }

  private static Case lshBackward(AttentionSpec spec) {
    return masks(
            new KernelCases()
                .out("dQueryKeys", ROWS, WIDTH)
                .out("dValues", ROWS, WIDTH)
                .in("dOut", ROWS, WIDTH)
                .in("out", ROWS, WIDTH)
                .in("lse", 2, 2, 37)
                .in("queryKeys", ROWS, WIDTH)
                .in("values", ROWS, WIDTH)
                .put(order()))
        .call(
            "lshAttentionBackward",
            spec.causal() ? "causal" : "bidirectional",
            (k, t) ->
                k.lshAttentionBackward(
                    t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], spec, HASH));
  }

  private static Case local(AttentionSpec spec) {
    return masks(
            new KernelCases()
                .out("out", ROWS, WIDTH)
                .out("lse", 2, 2, 37)
                .in("queries", ROWS, WIDTH)
                .in("keys", ROWS, WIDTH)
                .in("values", ROWS, WIDTH))
        .call(
            "localAttention",
            spec.causal() ? "causal" : "bidirectional",
            (k, t) -> k.localAttention(t[0], t[1], t[2], t[3], t[4], t[5], t[6], spec));
  }

  private static Case localBackward(AttentionSpec spec) {
    return masks(
            new KernelCases()
                .out("dQueries", ROWS, WIDTH)
                .out("dKeys", ROWS, WIDTH)
                .out("dValues", ROWS, WIDTH)
                .in("dOut", ROWS, WIDTH)
                .in("out", ROWS, WIDTH)
                .in("lse", 2, 2, 37)
                .in("queries", ROWS, WIDTH)
                .in("keys", ROWS, WIDTH)
                .in("values", ROWS, WIDTH))
        .call(
            "localAttentionBackward",
            spec.causal() ? "causal" : "bidirectional",
            (k, t) ->
                k.localAttentionBackward(
                    t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], spec));
  }
}
