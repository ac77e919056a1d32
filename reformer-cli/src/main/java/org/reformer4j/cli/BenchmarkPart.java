package org.reformer4j.cli;

import java.util.Locale;

/** What is measured, in this order. */
enum BenchmarkPart {
  /** Matrix products, with the ceiling. */
  GEMM,
  /** Up to the logits of the next token. */
  FORWARD,
  /** Loss, gradients and update. */
  TRAIN,
  /** Tokens one after another. */
  DECODE,
  /** Peak of a training step for different numbers of layers. */
  MEMORY;

  /** Returns the name in the JSON file and on the command line. */
  String key() {
    return name().toLowerCase(Locale.ROOT);
  }
}
