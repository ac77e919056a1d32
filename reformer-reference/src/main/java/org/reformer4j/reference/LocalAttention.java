package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Tensor;

/** Chunked attention in the original order with separate queries and keys. */
final class LocalAttention {
  private LocalAttention() {}

  static void forward(
      Workers workers,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    AttentionHeads.forward(
        workers,
        "localAttention",
        out,
        lse,
        queries,
        keys,
        values,
        keyMask,
        headMask,
        spec,
        KeyRule.SEPARATE,
        (b, h) -> attention(spec, b));
  }

  static void backward(
      Workers workers,
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    AttentionHeads.backward(
        workers,
        "localAttentionBackward",
        dQueries,
        dKeys,
        dValues,
        dOut,
        out,
        lse,
        queries,
        keys,
        values,
        keyMask,
        headMask,
        spec,
        KeyRule.SEPARATE,
        (b, h) -> attention(spec, b));
  }

  private static ChunkedAttention attention(AttentionSpec spec, int b) {
    if (spec.isShort(b)) {
      return AttentionHeads.whole(spec, KeyRule.SEPARATE, 1, b);
    }
    int slots = spec.sequences().slots(b);
    int[] positions = new int[slots];
    Arrays.setAll(positions, i -> i < spec.sequences().length(b) ? i : -1);
    Places places =
        Places.ring(positions, slots, spec.chunkLength(), spec.chunksBefore(), spec.chunksAfter());
    return new ChunkedAttention(spec, KeyRule.SEPARATE, places, 1);
  }
}
