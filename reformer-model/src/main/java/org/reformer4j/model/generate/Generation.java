package org.reformer4j.model.generate;

/**
 * A continued text.
 *
 * @param tokens what was added to the prompt: without a stop token, with the tokens of a stop
 *     string
 * @param text the same as text, but without a stop string and what comes behind it; empty if the
 *     generator has no tokenizer
 * @param score sum of the logarithms of the tokens' probabilities, a stop token's among them,
 *     divided by (their number)^lengthPenalty; 0 where nothing was chosen. Probabilities are the
 *     model's own, without penalties and temperature; those of a beam are, as in Hugging Face,
 *     after the processors
 * @param reason why it ended
 */
public record Generation(int[] tokens, String text, double score, StopReason reason) {
  /** Why a text ended. */
  public enum StopReason {
    /** The most tokens asked for were added. */
    MAX_NEW_TOKENS,
    /** A stop token was chosen. */
    STOP_TOKEN,
    /** The text came to a stop string. */
    STOP_STRING,
    /** The model has no more positions. */
    POSITIONS_EXHAUSTED,
    /** Processors, such as that of repeated sequences, barred every token. */
    ALL_TOKENS_BARRED
  }

  /** Copies the tokens. */
  public Generation {
    tokens = tokens.clone();
  }

  @Override
  public int[] tokens() {
    return tokens.clone();
  }

  /** Returns the score of a text. */
  static double score(double logProbability, int count, double lengthPenalty) {
    return count == 0 ? 0 : logProbability / StrictMath.pow(count, lengthPenalty);
  }
}
