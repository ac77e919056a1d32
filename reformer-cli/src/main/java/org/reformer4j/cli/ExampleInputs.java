package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.nio.file.Path;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.text.Tokenizers;

/**
 * Token ids of examples: given as "ids", or as "text" for the tokenizer of the model's folder. A
 * "question" and its "context" become the ids of the one and then of the other, with nothing
 * between, as Hugging Face's ReformerTokenizer joins a pair.
 */
final class ExampleInputs {
  private final Path folder;
  private final ReformerConfig config;
  private Tokenizer tokenizer;

  /**
   * Reads inputs of a model.
   *
   * @param folder where a tokenizer is, which is looked for when a text comes
   * @param config the model's
   */
  ExampleInputs(Path folder, ReformerConfig config) {
    this.folder = folder;
    this.config = config;
  }

  Tokenizer tokenizer() {
    if (tokenizer == null) {
      tokenizer = Tokenizers.load(folder, config);
    }
    return tokenizer;
  }

  /** Returns the ids of a line. */
  int[] ids(JsonLine line) {
    if (isQuestion(line)) {
      int[] question = encode(line, "question");
      int[] context = encode(line, "context");
      int[] ids = new int[question.length + context.length];
      System.arraycopy(question, 0, ids, 0, question.length);
      System.arraycopy(context, 0, ids, question.length, context.length);
      return checked(line, "question and context", ids);
    }
    if (line.has("ids") == line.has("text")) {
      throw line.error("needs either \"ids\" or \"text\"");
    }
    return line.has("ids")
        ? checked(line, "ids", line.integers("ids"))
        : checked(line, "text", encode(line, "text"));
  }

  boolean isQuestion(JsonLine line) {
    return line.has("question") || line.has("context");
  }

  /** Returns how many ids of a line stand before its context. */
  int contextStart(JsonLine line) {
    return isQuestion(line) ? encode(line, "question").length : 0;
  }

  /** Returns the ids of the second sequence of a pair. */
  int[] pair(JsonLine line) {
    JsonNode pair = line.get("pair");
    return checked(
        line, "pair", pair instanceof ArrayNode ? line.integers("pair") : encode(line, "pair"));
  }

  int[] encode(JsonLine line, String name) {
    return tokenizer().encode(line.text(name));
  }

  private int[] checked(JsonLine line, String name, int[] ids) {
    if (ids.length == 0) {
      throw line.error(name + " has no tokens: give it at least one, or leave out the line");
    }
    if (ids.length > config.maxPositions()) {
      throw line.error(
          name
              + " has "
              + ids.length
              + " tokens, the model "
              + config.maxPositions()
              + " positions: cut the example");
    }
    for (int id : ids) {
      if (id < 0 || id >= config.vocabSize()) {
        throw line.error(
            name
                + " has the token id "
                + id
                + " outside the vocabulary 0.."
                + (config.vocabSize() - 1)
                + ": correct it");
      }
    }
    return ids;
  }
}
