package org.reformer4j.model.generate;

/**
 * Turns tokens into the logits of the next one, a few tokens at a time. Holds the tokens so far, or
 * a cache of what it computed from them.
 */
public interface Decoder extends AutoCloseable {
  /**
   * Appends tokens to the sequence.
   *
   * @param tokens at least one
   * @return [V], logits of the token after them
   * @throws IllegalArgumentException if the sequence would exceed {@link #maxLength}
   */
  float[] append(int... tokens);

  /** Returns the number of tokens so far. */
  int length();

  /** Returns the most tokens a sequence may have. */
  int maxLength();

  /** Frees what the decoder holds. */
  @Override
  void close();
}
