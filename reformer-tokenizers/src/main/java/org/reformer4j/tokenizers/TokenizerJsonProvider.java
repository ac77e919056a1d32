package org.reformer4j.tokenizers;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.util.Utils;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.text.TokenizerProvider;

/** Reads {@code tokenizer.json}, whatever Hugging Face's tokenizers put there. */
public final class TokenizerJsonProvider implements TokenizerProvider {
  /** The kind of the engine's library: others are for cards, and would be fetched. */
  private static final String FLAVOR = "RUST_FLAVOR";

  /** What ends a text unless {@code tokenizer_config.json} says otherwise. */
  private static final String END = "</s>";

  /** Called by {@link java.util.ServiceLoader}. */
  public TokenizerJsonProvider() {}

  @Override
  public String fileName() {
    return "tokenizer.json";
  }

  @Override
  public Tokenizer load(Path path) {
    TokenizerFile file = new TokenizerFile(path);
    TokenizerJson json = file.parse(() -> TokenizerJson.parse(file.read()));
    file.require("Hugging Face's tokenizers", TokenizerJsonProvider::loadLibrary);
    String end = end(path.resolveSibling("tokenizer_config.json"));
    return file.parse(() -> new JsonTokenizer(json, end));
  }

  private static void loadLibrary() {
    if (Utils.getEnvOrSystemProperty(FLAVOR) == null) {
      System.setProperty(FLAVOR, "cpu");
    }
    LibUtils.checkStatus();
  }

  /** Returns eos_token, which is a text or an object with one. */
  private static String end(Path config) {
    if (!Files.isRegularFile(config)) {
      return END;
    }
    TokenizerFile file = new TokenizerFile(config);
    JsonNode token = file.parse(() -> TokenizerJson.tree(file.read())).path("eos_token");
    return token.path("content").asText(token.asText(END));
  }
}
