package org.reformer4j.model.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * How a text is continued; names and meaning as in Hugging Face's {@code GenerationConfig}. Start
 * from {@link #of}: {@code GenerationOptions.of(100, sampling).withStopStrings("\n\n")}.
 *
 * @param maxNewTokens most tokens to add, at least 0
 * @param minNewTokens stop tokens are barred until as many tokens have been added; stop strings end
 *     a text all the same
 * @param sampling how the next token is chosen
 * @param beams how many texts are followed at once
 * @param numReturnSequences how many texts to return, at least 1: drawn ones, where the sampling is
 *     not greedy, or the best of the beams
 * @param stopTokens tokens that end the text; they are not part of it
 * @param stopStrings strings that end the text, where the added text first contains one; the text
 *     ends before it. They need a generator with a tokenizer
 * @param processors change the logits after the penalties and before temperature and limits
 */
public record GenerationOptions(
    int maxNewTokens,
    int minNewTokens,
    SamplingOptions sampling,
    BeamOptions beams,
    int numReturnSequences,
    Set<Integer> stopTokens,
    List<String> stopStrings,
    List<LogitsProcessor> processors) {
  /** Checks the ranges, and what excludes each other. */
  public GenerationOptions {
    Objects.requireNonNull(sampling, "sampling");
    Objects.requireNonNull(beams, "beams");
    stopTokens = Set.copyOf(stopTokens);
    stopStrings = List.copyOf(stopStrings);
    processors = List.copyOf(processors);
    if (maxNewTokens < 0) {
      throw new IllegalArgumentException("maxNewTokens must not be negative, got " + maxNewTokens);
    }
    if (minNewTokens < 0 || minNewTokens > maxNewTokens) {
      throw new IllegalArgumentException(
          "minNewTokens must be in 0.." + maxNewTokens + " (maxNewTokens), got " + minNewTokens);
    }
    if (stopStrings.contains("")) {
      throw new IllegalArgumentException(
          "stopStrings must not contain the empty string: every text begins with it");
    }
    checkSequences(sampling, beams, numReturnSequences);
  }

  private static void checkSequences(SamplingOptions sampling, BeamOptions beams, int sequences) {
    int numBeams = beams.numBeams();
    if (sequences < 1) {
      throw new IllegalArgumentException("numReturnSequences must be at least 1, got " + sequences);
    }
    if (numBeams > 1 && !sampling.greedy()) {
      throw new IllegalArgumentException(
          "beam search is deterministic and draws nothing: with numBeams "
              + numBeams
              + " the temperature must be 0, got "
              + sampling.temperature());
    }
    if (numBeams > 1 && sequences > numBeams) {
      throw new IllegalArgumentException(
          "numReturnSequences must be at most numBeams, "
              + numBeams
              + ", got "
              + sequences
              + ": use as many beams");
    }
    if (numBeams == 1 && sequences > 1 && sampling.greedy()) {
      throw new IllegalArgumentException(
          "numReturnSequences is "
              + sequences
              + ", but greedy choice gives one text only: set a temperature, or use beams");
    }
  }

  /**
   * Makes options with stop tokens.
   *
   * @param maxNewTokens most tokens to add
   * @param sampling how the next token is chosen
   * @param stopTokens tokens that end the text; they are not part of it
   */
  public GenerationOptions(int maxNewTokens, SamplingOptions sampling, Set<Integer> stopTokens) {
    this(maxNewTokens, 0, sampling, BeamOptions.NONE, 1, stopTokens, List.of(), List.of());
  }

  /**
   * Returns options without stop tokens.
   *
   * @param maxNewTokens most tokens to add
   * @param sampling how the next token is chosen
   */
  public static GenerationOptions of(int maxNewTokens, SamplingOptions sampling) {
    return new GenerationOptions(maxNewTokens, sampling, Set.of());
  }

  /** Returns everything that changes logits before temperature and limits, in order. */
  List<LogitsProcessor> allProcessors() {
    List<LogitsProcessor> all = new ArrayList<>(sampling.penalties());
    if (minNewTokens > 0 && !stopTokens.isEmpty()) {
      all.add(LogitsProcessor.minNewTokens(minNewTokens, stopTokens));
    }
    all.addAll(processors);
    return all;
  }

  /**
   * Returns these options with another least number of tokens.
   *
   * @param value at least 0, at most maxNewTokens
   */
  public GenerationOptions withMinNewTokens(int value) {
    return new GenerationOptions(
        maxNewTokens,
        value,
        sampling,
        beams,
        numReturnSequences,
        stopTokens,
        stopStrings,
        processors);
  }

  /**
   * Returns these options with another way to choose tokens.
   *
   * @param value how the next token is chosen
   */
  public GenerationOptions withSampling(SamplingOptions value) {
    return new GenerationOptions(
        maxNewTokens,
        minNewTokens,
        value,
        beams,
        numReturnSequences,
        stopTokens,
        stopStrings,
        processors);
  }

  /**
   * Returns these options with beam search.
   *
   * @param value how many texts are followed at once
   */
  public GenerationOptions withBeams(BeamOptions value) {
    return new GenerationOptions(
        maxNewTokens,
        minNewTokens,
        sampling,
        value,
        numReturnSequences,
        stopTokens,
        stopStrings,
        processors);
  }

  /**
   * Returns these options with another number of texts to return.
   *
   * @param value at least 1
   */
  public GenerationOptions withNumReturnSequences(int value) {
    return new GenerationOptions(
        maxNewTokens, minNewTokens, sampling, beams, value, stopTokens, stopStrings, processors);
  }

  /**
   * Returns these options with other stop tokens.
   *
   * @param value tokens that end the text
   */
  public GenerationOptions withStopTokens(Set<Integer> value) {
    return new GenerationOptions(
        maxNewTokens,
        minNewTokens,
        sampling,
        beams,
        numReturnSequences,
        value,
        stopStrings,
        processors);
  }

  /**
   * Returns these options with other stop strings.
   *
   * @param value strings before which the text ends, none of them empty
   */
  public GenerationOptions withStopStrings(String... value) {
    return new GenerationOptions(
        maxNewTokens,
        minNewTokens,
        sampling,
        beams,
        numReturnSequences,
        stopTokens,
        List.of(value),
        processors);
  }

  /**
   * Returns these options with other processors of one's own.
   *
   * @param value what changes the logits after the penalties
   */
  public GenerationOptions withProcessors(LogitsProcessor... value) {
    return new GenerationOptions(
        maxNewTokens,
        minNewTokens,
        sampling,
        beams,
        numReturnSequences,
        stopTokens,
        stopStrings,
        List.of(value));
  }
}
