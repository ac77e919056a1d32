package org.reformer4j.cli;

import org.reformer4j.api.LshSelection;
import org.reformer4j.model.Dialect;
import org.reformer4j.model.ReformerConfigBuilder;
import picocli.CommandLine.Option;

/** In what LSH attention of a new model may differ from Hugging Face's: selection and keys. */
final class VariantOptions {
  @Option(
      names = "--selection",
      paramLabel = "KIND",
      defaultValue = "sorted",
      description =
          "Which hashed tokens LSH layers see: sorted, as in Hugging Face, where later tokens decide"
              + " which earlier ones a token sees; or causal: the past alone decides"
              + " (default: ${DEFAULT-VALUE}).")
  private String selection = "sorted";

  @Option(
      names = "--chunks-before",
      paramLabel = "N",
      description =
          "Chunks that an LSH layer sees before the own one (default: 1, with --selection causal"
              + " 2).")
  private Integer chunksBefore;

  @Option(
      names = "--distinct-keys",
      description = "Count a key that a token meets in several hash rounds once.")
  private boolean distinctKeys;

  /** Returns which hashed tokens LSH layers see. */
  LshSelection lshSelection() {
    return Dialect.fromConfigName(LshSelection.class, selection);
  }

  /** Sets the choices in a config, whatever is set there. */
  ReformerConfigBuilder in(ReformerConfigBuilder builder) {
    LshSelection chosen = lshSelection();
    return builder
        .lshSelection(chosen)
        .lshNumChunksBefore(chunksBefore == null ? chosen.usualChunksBefore() : chunksBefore)
        .lshDistinctKeys(distinctKeys);
  }
}
