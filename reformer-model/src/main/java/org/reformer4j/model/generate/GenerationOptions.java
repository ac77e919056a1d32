package org.reformer4j.model.generate;

import java.util.Objects;
import java.util.Set;

/**
 * How a text is continued.
 *
 * @param maxNewTokens most tokens to add, at least 0
 * @param sampling how the next token is chosen
 * @param stopTokens tokens that end the text; they are not part of it
 */
public record GenerationOptions(
    int maxNewTokens, SamplingOptions sampling, Set<Integer> stopTokens) {
  /** Checks the ranges. */
  public GenerationOptions {
    Objects.requireNonNull(sampling, "sampling");
    stopTokens = Set.copyOf(stopTokens);
    if (maxNewTokens < 0) {
      throw new IllegalArgumentException("maxNewTokens must not be negative, got " + maxNewTokens);
    }
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
}
