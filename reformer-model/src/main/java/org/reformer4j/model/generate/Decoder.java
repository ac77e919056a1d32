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

  /**
   * Returns a decoder in the same state that goes its own way: beams and the texts of one prompt
   * begin with it. Each of the two is closed for itself.
   */
  Decoder fork();

  /** Returns the number of tokens so far. */
  int length();

  /** Returns the most tokens a sequence may have. */
  int maxLength();

  /** Frees what the decoder holds; a second time does nothing. */
  @Override
  void close();
}
