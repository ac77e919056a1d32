package org.reformer4j.model.generate;

import java.util.Collection;
import java.util.List;
import java.util.Set;

/**
 * Changes the logits of the next token before one is chosen. Those here are Hugging Face's
 * processors and warpers ({@code transformers.generation.logits_process}); {@link
 * GenerationOptions#withProcessors} adds one's own, such as a grammar:
 *
 * <pre>{@code
 * LogitsProcessor noDigits = (logits, context) -> Arrays.fill(logits, '0' + 2, '9' + 3, LogitsProcessor.BARRED);
 * }</pre>
 *
 * <p>The processors here keep no state and may be shared by threads and texts. One that keeps state
 * must tell texts apart by their context: beams and sequences use it in turn.
 */
@FunctionalInterface
public interface LogitsProcessor {
  /** The logit of a token that must not be chosen. */
  float BARRED = Float.NEGATIVE_INFINITY;

  /**
   * Changes logits.
   *
   * @param logits [V], changed in place: {@link #BARRED} bars a token; neither NaN nor positive
   *     infinity. In beam search they are log-probabilities
   * @param context the tokens so far; to be read during the call only
   */
  void process(float[] logits, TokenHistory context);

  /**
   * Makes tokens of the context less likely: divides their logits if positive, multiplies them if
   * negative, once each (Keskar et al. 2019; {@code RepetitionPenaltyLogitsProcessor}).
   *
   * @param penalty positive and finite; over 1 against repetition, 1 for no change
   * @throws IllegalArgumentException if it is out of range; at work if a token of the context is
   *     outside the vocabulary
   */
  static LogitsProcessor repetitionPenalty(double penalty) {
    float factor = Penalties.checkRepetition(penalty);
    return (logits, context) -> Penalties.repetition(logits, context, factor);
  }

  /**
   * Bars every token that would complete a sequence of tokens which is in the context already
   * ({@code NoRepeatNGramLogitsProcessor}).
   *
   * @param size length of the sequences, at least 1
   * @throws IllegalArgumentException if it is less
   */
  static LogitsProcessor noRepeatNgram(int size) {
    if (size < 1) {
      throw new IllegalArgumentException("size must be at least 1, got " + size);
    }
    return (logits, context) -> Penalties.repeatedNgrams(logits, context, size);
  }

  /**
   * Bars the last token of each of these sequences where its other tokens have just come; a
   * sequence of one token always ({@code NoBadWordsLogitsProcessor}).
   *
   * @param words tokens of each word, at least one
   * @throws IllegalArgumentException if a word is empty; at work if a token is outside the
   *     vocabulary
   */
  static LogitsProcessor badWords(Collection<int[]> words) {
    List<int[]> copies = words.stream().map(int[]::clone).toList();
    if (copies.stream().anyMatch(word -> word.length == 0)) {
      throw new IllegalArgumentException("each of the bad words needs at least one token");
    }
    return (logits, context) -> copies.forEach(word -> Penalties.word(logits, context, word));
  }

  /**
   * Bars the stop tokens until enough tokens have been added ({@code
   * MinNewTokensLengthLogitsProcessor}).
   *
   * @param count least number of tokens to add
   * @param stopTokens which to bar; those outside the vocabulary do not matter
   */
  static LogitsProcessor minNewTokens(int count, Set<Integer> stopTokens) {
    Set<Integer> stops = Set.copyOf(stopTokens);
    return (logits, context) -> {
      if (context.addedLength() < count) {
        stops.stream()
            .filter(id -> id >= 0 && id < logits.length)
            .forEach(id -> logits[id] = BARRED);
      }
    };
  }

  /**
   * Divides the logits ({@code TemperatureLogitsWarper}), and shifts them so that the largest is 0:
   * that changes no probability, and no temperature overflows.
   *
   * @param temperature positive and finite; over 1 makes the probabilities more alike
   * @throws IllegalArgumentException if it is out of range
   */
  static LogitsProcessor temperature(double temperature) {
    if (!(temperature > 0 && temperature < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "temperature must be positive and finite, got " + temperature);
    }
    return (logits, context) -> Limits.temperature(logits, temperature);
  }

  /**
   * Bars all but the most probable tokens; those that equal the last of them stay, too ({@code
   * TopKLogitsWarper}).
   *
   * @param count how many may be chosen, at least 1
   * @throws IllegalArgumentException if it is less
   */
  static LogitsProcessor topK(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("topK must be at least 1, got " + count);
    }
    return (logits, context) -> Limits.topK(logits, count);
  }

  /**
   * Bars all but the smallest set of most probable tokens that has some mass together (Holtzman et
   * al. 2020; {@code TopPLogitsWarper}). Of equal tokens the lowest ids stay.
   *
   * @param mass in (0, 1]
   * @throws IllegalArgumentException if it is out of range
   */
  static LogitsProcessor topP(double mass) {
    Limits.checkMass("topP", mass);
    return (logits, context) -> Limits.topP(logits, mass);
  }

  /**
   * Bars tokens that are much less probable than the most probable one (Nguyen et al. 2024; {@code
   * MinPLogitsWarper}).
   *
   * @param share of the largest probability that a token needs, in [0, 1]
   * @throws IllegalArgumentException if it is out of range
   */
  static LogitsProcessor minP(double share) {
    Limits.checkShare(share);
    return (logits, context) -> Limits.minP(logits, share);
  }

  /**
   * Bars all but the tokens whose information is closest to the entropy, as many as have some mass
   * together, and those that are as close as the last (Meister et al. 2022; {@code
   * TypicalLogitsWarper}). It may bar the most probable token.
   *
   * @param mass in (0, 1]
   * @throws IllegalArgumentException if it is out of range
   */
  static LogitsProcessor typicalP(double mass) {
    Limits.checkMass("typicalP", mass);
    return (logits, context) -> Limits.typicalP(logits, mass);
  }
}
