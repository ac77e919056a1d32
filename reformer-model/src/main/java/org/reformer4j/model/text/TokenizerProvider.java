package org.reformer4j.model.text;

import java.nio.file.Path;

/** Reads one kind of tokenizer file. Found through {@link java.util.ServiceLoader}. */
public interface TokenizerProvider {
  /** Returns the name of the file in a checkpoint folder, such as {@code spiece.model}. */
  String fileName();

  /**
   * Reads the file; nothing of it is trusted.
   *
   * @param file a file of that name; others beside it may be read too
   * @return the tokenizer; its {@code toString} names the kind, for people
   * @throws org.reformer4j.api.CheckpointException if the file cannot be read or is damaged
   * @throws UnsupportedOperationException if the engine of the tokenizer does not run on this
   *     system
   */
  Tokenizer load(Path file);
}
