package org.reformer4j.model.train;

/**
 * How many tokens a step sees: the product of all three.
 *
 * @param sequences B, sequences computed at once
 * @param accumulation batches whose gradients are summed before an update
 * @param contextLength T, tokens of a sequence
 */
public record BatchShape(int sequences, int accumulation, int contextLength) {
  /** Checks the ranges. */
  public BatchShape {
    if (sequences < 1 || accumulation < 1 || contextLength < 1) {
      throw new IllegalArgumentException(
          "sequences, accumulation and contextLength must be positive, got "
              + sequences
              + ", "
              + accumulation
              + ", "
              + contextLength);
    }
  }

  /** Returns the windows of a step. */
  public long windows() {
    return (long) sequences * accumulation;
  }

  /** Returns the tokens of a step. */
  public long tokens() {
    return windows() * contextLength;
  }
}
