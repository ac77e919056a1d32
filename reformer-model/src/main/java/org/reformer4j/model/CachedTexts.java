package org.reformer4j.model;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Which tokens the sequences of a cache have, and which are being added. */
final class CachedTexts {
  private final CacheFamily family;

  /** Which prompt of the family each sequence began with. */
  private final int[] origins;

  /** How many tokens of it each sequence has. */
  private final int[] prompts;

  private final int[] lengths;

  /** Tokens of each sequence in the present step. */
  private final int[] added;

  /** Scratch of the layers, one after the other. */
  private int[] table = {};

  private CachedTexts(CacheFamily family, int[] origins, int[] prompts, int[] lengths) {
    this.family = family;
    this.origins = origins;
    this.prompts = prompts;
    this.lengths = lengths;
    this.added = new int[lengths.length];
  }

  /**
   * Returns the prompts of a family.
   *
   * @param lengths tokens of each
   */
  static CachedTexts of(CacheFamily family, int[] lengths) {
    int[] all = IntStream.range(0, lengths.length).toArray();
    return new CachedTexts(family, all, lengths.clone(), lengths.clone());
  }

  /**
   * Returns some of the sequences, which go their own way.
   *
   * @param sequences which; one may be there more than once
   */
  CachedTexts fork(int[] sequences) {
    return new CachedTexts(
        family, of(origins, sequences), of(prompts, sequences), of(lengths, sequences));
  }

  private static int[] of(int[] values, int[] sequences) {
    return Arrays.stream(sequences).map(b -> values[b]).toArray();
  }

  /** Returns B. */
  int batch() {
    return lengths.length;
  }

  /** Returns the number of tokens of a sequence, without those that are being added. */
  int length(int b) {
    return lengths[b];
  }

  /** Returns the same of all. */
  int[] lengths() {
    return lengths;
  }

  /** Returns which prompt of the family each sequence began with. */
  int[] origins() {
    return origins;
  }

  /** Returns how many tokens of its prompt a sequence has. */
  int prompt(int b) {
    return prompts[b];
  }

  /** Returns the number of tokens of each sequence that are being added. */
  int[] added() {
    return added;
  }

  int added(int b) {
    return added[b];
  }

  /** Returns N, the tokens that are being added. */
  int addedTokens() {
    return IntStream.of(added).sum();
  }

  /** Says how many tokens of each sequence are being added. */
  void add(int[][] tokens, int from, int most) {
    for (int b = 0; b < added.length; b++) {
      added[b] = Math.min(most, Math.max(0, tokens[b].length - from));
    }
  }

  /** Counts the tokens that have been added. */
  void addDone() {
    for (int b = 0; b < added.length; b++) {
      lengths[b] += added[b];
    }
  }

  /** Goes back to the first tokens of a sequence. */
  void truncate(int b, int kept) {
    lengths[b] = kept;
    prompts[b] = Math.min(prompts[b], kept);
  }

  /** Returns the model's position of a token, whether it is there or not yet. */
  int position(int b, int token) {
    return token < prompts[b]
        ? family.position(origins[b], token)
        : family.position(origins[b], prompts[b] - 1) + 1 + token - prompts[b];
  }

  /** Returns whether an attention mask hides a token. */
  boolean masked(int b, int token) {
    return token < prompts[b] && family.masked(origins[b], token);
  }

  /** Returns how many more tokens a sequence may have. */
  int room(int b, ReformerConfig config) {
    return config.maxPositions() - position(b, lengths[b]);
  }

  /** Returns how many more tokens all sequences may have. */
  int room(ReformerConfig config) {
    return IntStream.range(0, lengths.length).map(b -> room(b, config)).min().orElseThrow();
  }

  /** Refuses tokens that cannot be added. */
  void check(int[][] tokens, ReformerConfig config) {
    if (tokens.length != lengths.length) {
      throw new IllegalArgumentException(
          "tokens must have one entry for each of the "
              + lengths.length
              + " sequences, got "
              + tokens.length);
    }
    for (int b = 0; b < tokens.length; b++) {
      if (tokens[b].length == 0) {
        throw new IllegalArgumentException("sequence " + b + " gets no token: give at least one");
      }
      for (int token : tokens[b]) {
        if (token < 0 || token >= config.vocabSize()) {
          throw new IllegalArgumentException(
              "token id "
                  + token
                  + " of sequence "
                  + b
                  + " is outside the vocabulary 0.."
                  + (config.vocabSize() - 1));
        }
      }
      if (tokens[b].length > room(b, config)) {
        throw new IllegalArgumentException(
            "sequence "
                + b
                + " has room for "
                + room(b, config)
                + " more tokens, got "
                + tokens[b].length
                + ": the model has "
                + config.maxPositions()
                + " positions");
      }
    }
  }

  /** Returns room for so many rows that new tokens see, of unspecified content; one at a time. */
  int[] table(int length) {
    if (table.length != length) {
      table = new int[length];
    }
    return table;
  }
}
