package org.reformer4j.model.generate;

/**
 * A continued text.
 *
 * @param tokens what was added to the prompt
 * @param reason why it ended
 */
public record Generation(int[] tokens, StopReason reason) {
  /** Why a text ended. */
  public enum StopReason {
    /** The most tokens asked for were added. */
    MAX_NEW_TOKENS,
    /** A stop token was chosen. */
    STOP_TOKEN,
    /** The model has no more positions. */
    POSITIONS_EXHAUSTED
  }

  /** Copies the tokens. */
  public Generation {
    tokens = tokens.clone();
  }

  @Override
  public int[] tokens() {
    return tokens.clone();
  }
}
