package org.reformer4j.model.generate;

import java.util.ArrayList;
import java.util.List;

/**
 * How the next token is chosen; names and meaning as in Hugging Face's {@code GenerationConfig}.
 * Start from {@link #GREEDY} or {@link #UNCHANGED}: {@code
 * SamplingOptions.UNCHANGED.withTopP(0.9)}. The limits topK to typicalP have no meaning where
 * nothing is drawn: greedy choice and beam search do not read them.
 *
 * @param temperature divisor of the logits, finite; 0 takes the most probable token (greedy)
 * @param topK how many of the most probable tokens may be chosen; 0 for no limit
 * @param topP the smallest set of most probable tokens whose probabilities sum to at least this may
 *     be chosen, in (0, 1]; 1 for no limit
 * @param minP share of the largest probability that a token needs to be chosen, in [0, 1]; 0 for no
 *     limit
 * @param typicalP the smallest set of tokens of typical information whose probabilities sum to at
 *     least this may be chosen, in (0, 1]; 1 for no limit
 * @param repetitionPenalty how much less probable tokens become that are in the context, positive
 *     and finite; 1 for no change (Keskar et al. 2019)
 * @param noRepeatNgramSize length of the sequences of tokens that may occur only once in prompt and
 *     text; 0 for no limit
 * @param seed which random choices; not used by greedy choice
 */
public record SamplingOptions(
    double temperature,
    int topK,
    double topP,
    double minP,
    double typicalP,
    double repetitionPenalty,
    int noRepeatNgramSize,
    long seed) {
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
    Limits.checkMass("topP", topP);
    Limits.checkShare(minP);
    Limits.checkMass("typicalP", typicalP);
    Penalties.checkRepetition(repetitionPenalty);
    if (noRepeatNgramSize < 0) {
      throw new IllegalArgumentException(
          "noRepeatNgramSize must be at least 0 (no limit), got " + noRepeatNgramSize);
    }
  }

  /**
   * Makes options without minP, typicalP and noRepeatNgramSize.
   *
   * @param temperature divisor of the logits, 0 for greedy choice
   * @param topK how many tokens may be chosen, 0 for no limit
   * @param topP in (0, 1], 1 for no limit
   * @param repetitionPenalty positive, 1 for no change
   * @param seed which random choices
   */
  public SamplingOptions(
      double temperature, int topK, double topP, double repetitionPenalty, long seed) {
    this(temperature, topK, topP, 0, 1, repetitionPenalty, 0, seed);
  }

  /** Returns whether the most probable token is always taken. */
  public boolean greedy() {
    return temperature == 0;
  }

  /** Returns what changes logits by the context, in Hugging Face's order. */
  List<LogitsProcessor> penalties() {
    List<LogitsProcessor> processors = new ArrayList<>();
    if (repetitionPenalty != 1) {
      processors.add(LogitsProcessor.repetitionPenalty(repetitionPenalty));
    }
    if (noRepeatNgramSize > 0) {
      processors.add(LogitsProcessor.noRepeatNgram(noRepeatNgramSize));
    }
    return processors;
  }

  /** Returns what says which tokens may be drawn, in Hugging Face's order. */
  List<LogitsProcessor> limits() {
    List<LogitsProcessor> processors = new ArrayList<>();
    if (temperature != 1) {
      processors.add(LogitsProcessor.temperature(temperature));
    }
    if (topK > 0) {
      processors.add(LogitsProcessor.topK(topK));
    }
    if (topP < 1) {
      processors.add(LogitsProcessor.topP(topP));
    }
    if (minP > 0) {
      processors.add(LogitsProcessor.minP(minP));
    }
    if (typicalP < 1) {
      processors.add(LogitsProcessor.typicalP(typicalP));
    }
    return processors;
  }

  /**
   * Returns these options with another temperature.
   *
   * @param value divisor of the logits, 0 for greedy choice
   */
  public SamplingOptions withTemperature(double value) {
    return new SamplingOptions(
        value, topK, topP, minP, typicalP, repetitionPenalty, noRepeatNgramSize, seed);
  }

  /**
   * Returns these options with another limit of tokens.
   *
   * @param value how many tokens may be chosen, 0 for no limit
   */
  public SamplingOptions withTopK(int value) {
    return new SamplingOptions(
        temperature, value, topP, minP, typicalP, repetitionPenalty, noRepeatNgramSize, seed);
  }

  /**
   * Returns these options with another limit of probability.
   *
   * @param value in (0, 1], 1 for no limit
   */
  public SamplingOptions withTopP(double value) {
    return new SamplingOptions(
        temperature, topK, value, minP, typicalP, repetitionPenalty, noRepeatNgramSize, seed);
  }

  /**
   * Returns these options with another least share of the largest probability.
   *
   * @param value in [0, 1], 0 for no limit
   */
  public SamplingOptions withMinP(double value) {
    return new SamplingOptions(
        temperature, topK, topP, value, typicalP, repetitionPenalty, noRepeatNgramSize, seed);
  }

  /**
   * Returns these options with another limit of typical tokens.
   *
   * @param value in (0, 1], 1 for no limit
   */
  public SamplingOptions withTypicalP(double value) {
    return new SamplingOptions(
        temperature, topK, topP, minP, value, repetitionPenalty, noRepeatNgramSize, seed);
  }

  /**
   * Returns these options with another penalty of repetition.
   *
   * @param value positive, 1 for no change
   */
  public SamplingOptions withRepetitionPenalty(double value) {
    return new SamplingOptions(
        temperature, topK, topP, minP, typicalP, value, noRepeatNgramSize, seed);
  }

  /**
   * Returns these options with another length of sequences that must not repeat.
   *
   * @param value at least 1, 0 for no limit
   */
  public SamplingOptions withNoRepeatNgramSize(int value) {
    return new SamplingOptions(
        temperature, topK, topP, minP, typicalP, repetitionPenalty, value, seed);
  }

  /**
   * Returns these options with another seed.
   *
   * @param value which random choices
   */
  public SamplingOptions withSeed(long value) {
    return new SamplingOptions(
        temperature, topK, topP, minP, typicalP, repetitionPenalty, noRepeatNgramSize, value);
  }
}
