package org.reformer4j.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Set;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.text.Tokenizers;

/**
 * A language model with the tokenizer of its folder.
 *
 * @param model a language model
 * @param tokenizer what its ids mean
 */
record LanguageModel(ReformerModel model, Tokenizer tokenizer) implements AutoCloseable {
  /**
   * Loads a model that continues texts, and its tokenizer.
   *
   * @throws IllegalArgumentException if it is no causal language model, or the backend does not
   *     compute with the precision
   * @throws org.reformer4j.api.CheckpointException if the folder holds no model, or no tokenizer
   *     that fits it
   */
  static LanguageModel load(Path folder, Backend backend, Precision precision) {
    LanguageModel loaded = loadCausalOrMasked(folder, backend, precision);
    if (!loaded.model.config().isDecoder()) {
      loaded.close();
      throw new IllegalArgumentException(
          folder
              + " holds no causal language model but a masked one: it needs is_decoder true; give a"
              + " folder that 'reformer train' wrote, or a checkpoint of one");
    }
    return loaded;
  }

  /**
   * Loads a language model of either kind, and its tokenizer.
   *
   * @throws IllegalArgumentException if it is no language model, or the backend does not compute
   *     with the precision
   * @throws org.reformer4j.api.CheckpointException if the folder holds no model, or no tokenizer
   *     that fits it
   */
  static LanguageModel loadCausalOrMasked(Path folder, Backend backend, Precision precision) {
    ReformerModel model = ReformerModel.load(folder, backend, precision);
    try {
      if (!model.hasLmHead()) {
        throw new IllegalArgumentException(
            folder
                + " holds no language model, for lm_head is missing: give a folder that 'reformer"
                + " train' wrote, or a checkpoint of one");
      }
      return new LanguageModel(model, Tokenizers.load(folder, model.config()));
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /** Encodes UTF-8; a model on bytes takes any bytes. */
  int[] encode(byte[] text) {
    return tokenizer instanceof ByteTokenizer bytes
        ? bytes.encode(text)
        : tokenizer.encode(new String(text, StandardCharsets.UTF_8));
  }

  /** Returns the ids that end a text: the tokenizer's, or else the config's; bytes have none. */
  Set<Integer> ends() {
    if (tokenizer.endOfText().isPresent()) {
      return Set.of(tokenizer.endOfText().getAsInt());
    }
    int end = model.config().eosTokenId();
    return tokenizer instanceof ByteTokenizer || end < 0 ? Set.of() : Set.of(end);
  }

  @Override
  public void close() {
    model.close();
  }
}
