package org.reformer4j.model.generate;

import java.util.Objects;

/**
 * How many texts are followed at once, and which is the best; names and meaning as in Hugging
 * Face's {@code GenerationConfig}. Beam search takes the most probable texts it finds; nothing is
 * drawn.
 *
 * @param numBeams texts to follow, at least 1; 1 is greedy choice or sampling
 * @param lengthPenalty exponent of the length by which the sum of log-probabilities is divided,
 *     finite: over 0 favours longer texts, under 0 shorter ones
 * @param earlyStopping when to end
 */
public record BeamOptions(int numBeams, double lengthPenalty, EarlyStopping earlyStopping) {
  /** When beam search ends; in any case where no text can go on. */
  public enum EarlyStopping {
    /** As soon as {@code numBeams} texts have ended ({@code early_stopping=True}). */
    WHEN_FULL,
    /**
     * When {@code numBeams} texts have ended and the best other one, were it to end now, would be
     * no better than the worst of them ({@code early_stopping=False}).
     */
    HEURISTIC,
    /**
     * Only when no other text can become better than the worst of {@code numBeams} that have ended
     * ({@code early_stopping="never"}).
     */
    NEVER
  }

  /** No beams: one text, token by token. */
  public static final BeamOptions NONE = of(1);

  /** Checks the ranges. */
  public BeamOptions {
    Objects.requireNonNull(earlyStopping, "earlyStopping");
    if (numBeams < 1) {
      throw new IllegalArgumentException("numBeams must be at least 1, got " + numBeams);
    }
    if (!Double.isFinite(lengthPenalty)) {
      throw new IllegalArgumentException("lengthPenalty must be finite, got " + lengthPenalty);
    }
  }

  /**
   * Returns a number of beams with length penalty 1 and {@link EarlyStopping#HEURISTIC}.
   *
   * @param numBeams texts to follow, at least 1
   */
  public static BeamOptions of(int numBeams) {
    return new BeamOptions(numBeams, 1, EarlyStopping.HEURISTIC);
  }

  /**
   * Returns these options with another length penalty.
   *
   * @param value finite exponent
   */
  public BeamOptions withLengthPenalty(double value) {
    return new BeamOptions(numBeams, value, earlyStopping);
  }

  /**
   * Returns these options with another rule of ending.
   *
   * @param value when to end
   */
  public BeamOptions withEarlyStopping(EarlyStopping value) {
    return new BeamOptions(numBeams, lengthPenalty, value);
  }
}
