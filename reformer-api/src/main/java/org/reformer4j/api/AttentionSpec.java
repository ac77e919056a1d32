package org.reformer4j.api;

import java.util.Objects;

/**
 * Shape and rules of one chunked attention.
 *
 * @param sequences rows of the batch
 * @param heads H
 * @param headSize K
 * @param chunkLength C; a sequence of at most C slots is attended to as a whole, once
 * @param chunksBefore chunks seen before the own one, cyclically
 * @param chunksAfter chunks seen after the own one, cyclically
 * @param causal whether a query sees only keys at its own and earlier positions
 * @param dropout of the probabilities; element (firstRow + ((b*H + h)*R + r)*T + position)*W +
 *     place in the window
 */
public record AttentionSpec(
    Sequences sequences,
    int heads,
    int headSize,
    int chunkLength,
    int chunksBefore,
    int chunksAfter,
    boolean causal,
    Dropout dropout) {
  /** Checks the ranges. */
  public AttentionSpec {
    Objects.requireNonNull(sequences, "sequences");
    Objects.requireNonNull(dropout, "dropout");
    if (heads < 1 || headSize < 1 || chunkLength < 1 || chunksBefore < 0 || chunksAfter < 0) {
      throw new IllegalArgumentException(
          "heads, headSize and chunkLength must be positive and the chunks around not negative, got"
              + " heads="
              + heads
              + ", headSize="
              + headSize
              + ", chunkLength="
              + chunkLength
              + ", chunksBefore="
              + chunksBefore
              + ", chunksAfter="
              + chunksAfter);
    }
    for (int b = 0; b < sequences.batch(); b++) {
      int slots = sequences.slots(b);
      if (slots > chunkLength && slots % chunkLength != 0) {
        throw new IllegalArgumentException(
            "slots of sequence "
                + b
                + " must be at most the chunk length "
                + chunkLength
                + " or a multiple of it, got "
                + slots);
      }
    }
  }

  /**
   * Returns a spec of rows and heads for {@link Kernels#lshBuckets} alone, to which chunks mean
   * nothing.
   *
   * @param sequences rows of the batch
   * @param heads H
   * @param headSize K
   */
  public static AttentionSpec ofHashing(Sequences sequences, int heads, int headSize) {
    return new AttentionSpec(
        sequences, heads, headSize, sequences.stride(), 0, 0, true, Dropout.NONE);
  }

  /** Returns H*K, the columns of queries, keys, values and output. */
  public int width() {
    return heads * headSize;
  }

  /** Returns the chunks of a window: before, own, after. */
  public int windowChunks() {
    return 1 + chunksBefore + chunksAfter;
  }

  /** Returns W, the places in a window of several chunks. */
  public int windowLength() {
    return chunkLength * windowChunks();
  }

  /**
   * Returns whether a sequence is attended to as a whole, without hashing or chunks.
   *
   * @param b which sequence
   */
  public boolean isShort(int b) {
    return sequences.slots(b) <= chunkLength;
  }

  /** Returns whether every sequence is short, so that nothing need be hashed or sorted. */
  public boolean allShort() {
    for (int b = 0; b < sequences.batch(); b++) {
      if (!isShort(b)) {
        return false;
      }
    }
    return true;
  }
}
