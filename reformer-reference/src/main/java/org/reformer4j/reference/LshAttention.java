package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** Chunked attention in the order of the buckets, and back; all rounds as one softmax. */
final class LshAttention {
  private LshAttention() {}

  static void forward(
      Workers workers,
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshAttention";
    KernelArguments.attentionOrder(op, order, spec, hash);
    IntRows sorted = IntRows.orNull(order);
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
        (b, h) -> attention(op, sorted, spec, hash, b, h));
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
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshAttentionBackward";
    KernelArguments.attentionOrder(op, order, spec, hash);
    IntRows sorted = IntRows.orNull(order);
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
        (b, h) -> attention(op, sorted, spec, hash, b, h));
  }

  private static ChunkedAttention attention(
      String op, IntRows order, AttentionSpec spec, HashSpec hash, int b, int h) {
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
      boolean[] listed = new boolean[length];
      for (int i = 0; i < length; i++) {
        int position = order.get(first + i);
        if (position < 0 || position >= length || listed[position]) {
          throw new IllegalArgumentException(
              op
                  + ": the first "
                  + length
                  + " entries of an order must list each of 0.."
                  + (length - 1)
                  + " once (lshSort does), got "
                  + position
                  + " as entry "
                  + i);
        }
        listed[position] = true;
        places[round * slots + i] = position;
      }
    }
    return new ChunkedAttention(spec, KeyRule.SHARED, places, slots, hash.rounds(), false);
  }
}
