package org.reformer4j.cli;

import java.nio.file.Path;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.ByteTokenizer;

/** Loads models that read and write bytes, as {@code reformer train} makes them. */
final class ByteModel {
  private ByteModel() {}

  /**
   * Loads a model.
   *
   * @throws IllegalArgumentException if it is no language model on bytes, or the backend does not
   *     compute with the precision
   * @throws org.reformer4j.api.CheckpointException if the folder holds no model
   */
  static ReformerModel load(Path folder, Backend backend, Precision precision) {
    ReformerModel model = ReformerModel.load(folder, backend, precision);
    int vocabulary = model.config().vocabSize();
    if (vocabulary == ByteTokenizer.VOCABULARY_SIZE
        && model.config().isDecoder()
        && model.hasLmHead()) {
      return model;
    }
    String message =
        folder
            + " holds no causal language model on bytes: it needs vocab_size "
            + ByteTokenizer.VOCABULARY_SIZE
            + " (found "
            + vocabulary
            + "), is_decoder true (found "
            + model.config().isDecoder()
            + ") and an lm_head ("
            + (model.hasLmHead() ? "found" : "missing")
            + "); give a folder that 'reformer train' wrote";
    model.close();
    throw new IllegalArgumentException(message);
  }
}
