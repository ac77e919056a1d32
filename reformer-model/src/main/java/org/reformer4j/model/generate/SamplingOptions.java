package org.reformer4j.model.generate;

/**
 * How the next token is chosen; names and meaning as in Hugging Face's {@code GenerationConfig}.
 *
 * @param temperature divisor of the logits, finite; 0 takes the most probable token (greedy)
 * @param topK how many of the most probable tokens may be chosen; 0 for no limit
 * @param topP the smallest set of most probable tokens whose probabilities sum to at least this may
 *     be chosen, in (0, 1]; 1 for no limit
 * @param repetitionPenalty how much less probable tokens become that are in the context, positive
 *     and finite; 1 for no change (Keskar et al. 2019)
 * @param seed which random choices; not used by greedy choice
 */
public record SamplingOptions(
    double temperature, int topK, double topP, double repetitionPenalty, long seed) {
  /** Always the most probable token. */
  public static final SamplingOptions GREEDY = new SamplingOptions(0, 0, 1, 1, 0);

  /** Draws from the model's own distribution, with seed 0. */
  public static final SamplingOptions UNCHANGED = new SamplingOptions(1, 0, 1, 1, 0);

  /** Checks the ranges. */
  public SamplingOptions {
    if (!(temperature >= 0 && temperature < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "temperature must be at least 0 (greedy) and finite, got " + temperature);
    }
    if (topK < 0) {
      throw new IllegalArgumentException("topK must be at least 0 (no limit), got " + topK);
    }
    if (!(topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException(
          "topP must be in (0, 1], 1 for no limit, got "
              + topP
              + "; for the most probable token alone use temperature 0");
    }
    float penalty = (float) repetitionPenalty;
    if (!(penalty > 0 && penalty < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "repetitionPenalty must be positive, 1 for no change, got " + repetitionPenalty);
    }
  }

  /** Returns whether the most probable token is always taken. */
  public boolean greedy() {
    return temperature == 0;
  }

  /**
   * Returns these options with another temperature.
   *
   * @param value divisor of the logits, 0 for greedy choice
   */
  public SamplingOptions withTemperature(double value) {
    return new SamplingOptions(value, topK, topP, repetitionPenalty, seed);
  }

  /**
   * Returns these options with another limit of tokens.
   *
   * @param value how many tokens may be chosen, 0 for no limit
   */
  public SamplingOptions withTopK(int value) {
    return new SamplingOptions(temperature, value, topP, repetitionPenalty, seed);
  }

  /**
   * Returns these options with another limit of probability.
   *
   * @param value in (0, 1], 1 for no limit
   */
  public SamplingOptions withTopP(double value) {
    return new SamplingOptions(temperature, topK, value, repetitionPenalty, seed);
  }

  /**
   * Returns these options with another penalty of repetition.
   *
   * @param value positive, 1 for no change
   */
  public SamplingOptions withRepetitionPenalty(double value) {
    return new SamplingOptions(temperature, topK, topP, value, seed);
  }

  /**
   * Returns these options with another seed.
   *
   * @param value which random choices
   */
  public SamplingOptions withSeed(long value) {
    return new SamplingOptions(temperature, topK, topP, repetitionPenalty, value);
  }
}
