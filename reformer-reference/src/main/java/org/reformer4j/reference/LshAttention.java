package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** Stable sort by bucket, chunked attention in that order, and back; all rounds as one softmax. */
final class LshAttention {
  private LshAttention() {}

  static void forward(
      Workers workers,
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor buckets,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshAttention";
    KernelArguments.attentionBuckets(op, buckets, spec, hash);
    IntRows bucketRows = IntRows.orNull(buckets);
    AttentionHeads.forward(
        workers,
        op,
        out,
        lse,
        queryKeys,
        queryKeys,
        values,
        keyMask,
        headMask,
        spec,
        KeyRule.SHARED,
        (b, h) -> attention(op, bucketRows, spec, hash, b, h));
  }

  static void backward(
      Workers workers,
      Tensor dQueryKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor buckets,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshAttentionBackward";
    KernelArguments.attentionBuckets(op, buckets, spec, hash);
    IntRows bucketRows = IntRows.orNull(buckets);
    AttentionHeads.backward(
        workers,
        op,
        dQueryKeys,
        dQueryKeys,
        dValues,
        dOut,
        out,
        lse,
        queryKeys,
        queryKeys,
        values,
        keyMask,
        headMask,
        spec,
        KeyRule.SHARED,
        (b, h) -> attention(op, bucketRows, spec, hash, b, h));
  }

  private static ChunkedAttention attention(
      String op, IntRows buckets, AttentionSpec spec, HashSpec hash, int b, int h) {
    int slots = spec.sequences().slots(b);
    if (spec.isShort(b)) {
      return AttentionHeads.whole(spec, KeyRule.SHARED, hash.rounds(), b);
    }
    int length = spec.sequences().length(b);
    int[] places = new int[slots * hash.rounds()];
    // Slots behind the sequence stay empty.
    Arrays.fill(places, -1);
    for (int round = 0; round < hash.rounds(); round++) {
      int first = ((b * spec.heads() + h) * hash.rounds() + round) * spec.sequences().stride();
      LshSort.sort(op, buckets, first, length, hash.buckets(), places, round * slots);
    }
    return new ChunkedAttention(spec, KeyRule.SHARED, places, slots, hash.rounds(), false);
  }
}
