package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionArguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.RunLayout;
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
    AttentionArguments.attentionOrder(op, order, spec, hash);
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
    AttentionArguments.attentionOrder(op, order, spec, hash);
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
    if (spec.isShort(b)) {
      return AttentionHeads.whole(spec, KeyRule.SHARED, hash.rounds(), b);
    }
    int first = (b * spec.heads() + h) * hash.rounds();
    Places places =
        hash.usesRuns()
            ? runs(op, order, spec, hash, first, b)
            : ring(op, order, spec, hash, first, b);
    return new ChunkedAttention(spec, KeyRule.SHARED, places, hash.rounds());
  }

  private static Places ring(
      String op, IntRows order, AttentionSpec spec, HashSpec hash, int segment, int b) {
    int slots = spec.sequences().slots(b);
    int length = spec.sequences().length(b);
    int[] positions = new int[slots * hash.rounds()];
    // Slots behind the sequence stay empty.
    Arrays.fill(positions, -1);
    for (int round = 0; round < hash.rounds(); round++) {
      int from = (segment + round) * spec.sequences().stride();
      for (int i = 0; i < length; i++) {
        positions[round * slots + i] = order.get(from + i);
      }
      check(op, positions, round * slots, length, length);
    }
    return Places.ring(
        positions, slots, spec.chunkLength(), spec.chunksBefore(), spec.chunksAfter());
  }

  private static Places runs(
      String op, IntRows order, AttentionSpec spec, HashSpec hash, int segment, int b) {
    RunLayout layout = RunLayout.of(spec, hash);
    int slots = spec.sequences().slots(b);
    int length = spec.sequences().length(b);
    int chunk = spec.chunkLength();
    int chunks = slots / chunk;
    int[] positions = new int[slots * hash.rounds()];
    int[] runs = new int[chunks * hash.rounds()];
    int[][] chunkOf = hash.distinct() ? new int[hash.rounds()][length] : null;
    for (int round = 0; round < hash.rounds(); round++) {
      int from = (segment + round) * layout.entries();
      for (int i = 0; i < slots; i++) {
        positions[round * slots + i] = order.get(from + i);
      }
      check(op, positions, round * slots, slots, length);
      for (int c = 0; c < chunks; c++) {
        runs[round * chunks + c] = order.get(from + layout.runsFrom() + c);
      }
      for (int t = 0; chunkOf != null && t < length; t++) {
        chunkOf[round][t] = order.get(from + layout.chunksFrom() + t);
      }
    }
    return new Places(
        positions, slots, chunk, spec.chunksBefore(), spec.chunksAfter(), runs, chunkOf);
  }

  /** Every position of a sequence stands at one place of a round. */
  private static void check(String op, int[] positions, int from, int places, int length) {
    boolean[] listed = new boolean[length];
    int count = 0;
    for (int i = from; i < from + places; i++) {
      int position = positions[i];
      boolean empty = position == -1 && places > length;
      if (!empty && (position < 0 || position >= length || listed[position])) {
        throw unlisted(op, length, position, i - from);
      }
      if (!empty) {
        listed[position] = true;
        count++;
      }
    }
    if (count < length) {
      throw unlisted(op, length, -1, places);
    }
  }

  private static IllegalArgumentException unlisted(String op, int length, int position, int at) {
    return new IllegalArgumentException(
        op
            + ": an order must list each of 0.."
            + (length - 1)
            + " once per round (lshSort and lshRuns do), got "
            + position
            + " as entry "
            + at);
  }
}
