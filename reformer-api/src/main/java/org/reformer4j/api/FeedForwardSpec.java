package org.reformer4j.api;

import java.util.Objects;

/**
 * How the feed-forward block is computed.
 *
 * @param activation between the two products
 * @param chunkRows rows computed at once; the hidden block is [chunkRows, F]. No effect on values
 * @param dropout of the hidden values before the activation; element (firstRow + row)*F + column
 */
public record FeedForwardSpec(Activation activation, int chunkRows, Dropout dropout) {
  /** Checks the ranges. */
  public FeedForwardSpec {
    Objects.requireNonNull(activation, "activation");
    Objects.requireNonNull(dropout, "dropout");
    if (chunkRows < 1) {
      throw new IllegalArgumentException("chunkRows must be positive, got " + chunkRows);
    }
  }
}
