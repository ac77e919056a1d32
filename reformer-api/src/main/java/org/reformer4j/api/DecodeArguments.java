package org.reformer4j.api;

/**
 * Checks of the arguments of the operations that keep a cache on the device: {@link
 * Kernels#storeRows} and {@link Kernels#lshDecodeLists}. Each throws an {@link
 * IllegalArgumentException} that names the operation, the parameter, and what it must be.
 */
public final class DecodeArguments {
  private DecodeArguments() {}

  /** Checks {@link Kernels#storeRows}, but for the row numbers. */
  public static void storeRows(Tensor target, Tensor rows, Tensor source) {
    String op = "storeRows";
    Arguments.oneOf(op, "target", target, "[S, C]", DType.F32, DType.BF16);
    Arguments.typed(op, "source", source, target.type(), "[N, C]");
    Arguments.matrix(
        op, "source", source, target.type(), "[N, C]", source.rows(), target.columns());
    Arguments.flat(op, "rows", rows, DType.I32, "[N]", source.rows());
  }

  /** Checks {@link Kernels#lshDecodeLists}, but for the numbers. */
  public static void lshDecodeLists(
      Tensor listed,
      Tensor places,
      Tensor buckets,
      Tensor ranks,
      Tensor counts,
      Tensor hashed,
      Tensor own,
      Tensor lengths,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshDecodeLists";
    int batch = spec.sequences().batch();
    long room = spec.sequences().stride();
    long segments = (long) batch * spec.heads() * hash.rounds();
    Arguments.flat(op, "places", places, DType.I32, "[B, C]", batch * room);
    Arguments.flat(op, "buckets", buckets, DType.I32, "[B, H, R, C]", segments * room);
    Arguments.flat(op, "ranks", ranks, DType.I32, "[B, H, R, C]", segments * room);
    Arguments.flat(
        op, "counts", counts, DType.I32, "[B, H, R, nb+1]", segments * (hash.buckets() + 1L));
    Arguments.flat(op, "hashed", hashed, DType.I32, "[1, H, R, B]", segments);
    Arguments.flat(op, "own", own, DType.I32, "[B]", batch);
    Arguments.flat(op, "lengths", lengths, DType.I32, "[B]", batch);
    Arguments.typed(op, "listed", listed, DType.I32, "[B, H, R, W]");
    Arguments.flat(op, "listed", listed, DType.I32, "[B, H, R, W]", listed.elements());
    long window = listed.elements() / segments;
    if (listed.elements() % segments != 0 || window < longestWindow(spec, hash)) {
      throw new IllegalArgumentException(
          op
              + ": listed must be I32 [B, H, R, W] with B*H*R = "
              + segments
              + " lists and W of at least "
              + longestWindow(spec, hash)
              + " slots, the longest window of "
              + hash.selection()
              + " selection, got "
              + listed);
    }
  }

  /**
   * Returns the most positions that {@link Kernels#lshDecodeLists} lists for a token in a round.
   *
   * @param spec chunks
   * @param hash the selection; the chunks after the own one do not count for {@link
   *     LshSelection#CAUSAL}, where a new token is the last of its bucket
   */
  public static long longestWindow(AttentionSpec spec, HashSpec hash) {
    long after = hash.selection() == LshSelection.CAUSAL ? 0 : spec.chunksAfter();
    return (1L + spec.chunksBefore() + after) * spec.chunkLength();
  }
}
