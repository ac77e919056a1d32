package org.reformer4j.api;

/**
 * What a random number is for: one coordinate of the counter-based generator, so that no two uses
 * share a stream. The order is part of the file format of runs: append, never reorder.
 */
public enum RandomPurpose {
  /** Dropout of token embeddings. */
  TOKEN_EMBEDDING,
  /** Dropout of position embeddings. */
  POSITION_EMBEDDING,
  /** Dropout of attention probabilities. */
  ATTENTION_PROBABILITIES,
  /** Dropout of the attention block's output. */
  ATTENTION_OUTPUT,
  /** Dropout before the activation of the feed-forward block. */
  FEED_FORWARD_HIDDEN,
  /** Dropout of the feed-forward block's output. */
  FEED_FORWARD_OUTPUT,
  /** Dropout after the final layer norm. */
  FINAL_HIDDEN,
  /** LSH rotations. */
  ROTATIONS,
  /** Initial values of parameters. */
  INITIALIZATION,
  /** Order of the training windows. */
  DATA_ORDER,
  /** Choice of the next token in generation. */
  SAMPLING,
  /** Dropout before the first layer of a classification head. */
  HEAD_INPUT,
  /** Dropout between the layers of a classification head. */
  HEAD_HIDDEN,
  /** Symbols of generated sequences. */
  GENERATED_DATA
}
