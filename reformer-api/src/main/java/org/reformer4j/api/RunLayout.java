package org.reformer4j.api;

/**
 * How {@link Kernels#lshRuns} lays out one hash round of one head for an attention whose chunks
 * form runs: chunks see chunks of their own run only. I32 entries, one part after the other:
 *
 * <ol>
 *   <li>{@link #places} positions in the order of the attention, chunk after chunk, -1 for an empty
 *       place. A chunk's positions come before its empty places.
 *   <li>for each of the places / C chunks the number of its run: that of its bucket with {@link
 *       LshSelection#CAUSAL}, 0 otherwise; -1 for an empty chunk. Chunks of a run are neighbours,
 *       and empty ones stand at the end.
 *   <li>where keys are distinct, for each of the T positions of the sequence the number of its
 *       chunk; -1 behind its length.
 * </ol>
 *
 * @param places S, a multiple of the chunk length
 * @param chunkLength C
 * @param stride T, rows from one sequence to the next
 * @param distinct whether there is a third part
 */
public record RunLayout(int places, int chunkLength, int stride, boolean distinct) {
  /** Checks the ranges. */
  public RunLayout {
    if (chunkLength < 1 || stride < 1 || places < stride || places % chunkLength != 0) {
      throw new IllegalArgumentException(
          "places must be a multiple of the chunk length and hold T rows, got places="
              + places
              + ", chunkLength="
              + chunkLength
              + ", T="
              + stride);
    }
  }

  /**
   * Returns the layout of an attention.
   *
   * @param spec chunks and sequences; with {@link LshSelection#CAUSAL} these have the places of
   *     {@link HashSpec#places}
   * @param hash uses runs
   */
  public static RunLayout of(AttentionSpec spec, HashSpec hash) {
    return of(spec.sequences(), spec.chunkLength(), hash);
  }

  /**
   * Returns the layout of an attention.
   *
   * @param sequences with the places of {@link HashSpec#places}
   * @param chunkLength C
   * @param hash uses runs
   */
  public static RunLayout of(Sequences sequences, int chunkLength, HashSpec hash) {
    int places = sequences.stride();
    for (int b = 0; b < sequences.batch(); b++) {
      places = Math.max(places, sequences.slots(b));
    }
    places = (places + chunkLength - 1) / chunkLength * chunkLength;
    return new RunLayout(places, chunkLength, sequences.stride(), hash.distinct());
  }

  /**
   * Returns the places that hold any T tokens whose buckets begin new chunks: every bucket that has
   * a token, the padding bucket among them, leaves at most C - 1 empty.
   */
  static int causalPlaces(int stride, int buckets, int chunkLength) {
    long waste = Math.min((long) buckets + 1, stride) * (chunkLength - 1);
    return Math.toIntExact((stride + waste) / chunkLength * chunkLength);
  }

  /** Returns where the second part begins. */
  public int runsFrom() {
    return places;
  }

  /** Returns where the third part begins. */
  public int chunksFrom() {
    return places + places / chunkLength;
  }

  /** Returns E, the entries of a round. */
  public int entries() {
    return chunksFrom() + (distinct ? stride : 0);
  }
}
