package org.reformer4j.api;

/**
 * Shape and rules of the attention of single tokens to a cache.
 *
 * @param batch B, queries
 * @param heads H
 * @param headSize K
 * @param rounds R, hash rounds, or 1
 * @param window W, places in the list of a round
 * @param shared whether keys are made from query-keys, as LSH layers do
 */
public record DecodeSpec(
    int batch, int heads, int headSize, int rounds, int window, boolean shared) {
  /** Checks the ranges. */
  public DecodeSpec {
    if (batch < 1 || heads < 1 || headSize < 1 || rounds < 1 || window < 1) {
      throw new IllegalArgumentException(
          "batch, heads, headSize, rounds and window must be positive, got batch="
              + batch
              + ", heads="
              + heads
              + ", headSize="
              + headSize
              + ", rounds="
              + rounds
              + ", window="
              + window);
    }
  }

  /** Returns H*K, the columns of queries, keys, values and output. */
  public int width() {
    return heads * headSize;
  }

  /** Returns B*H*R*W, the entries of all lists. */
  public long entries() {
    return (long) batch * heads * rounds * window;
  }
}
