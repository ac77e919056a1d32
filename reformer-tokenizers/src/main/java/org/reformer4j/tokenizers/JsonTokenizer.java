package org.reformer4j.tokenizers;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.OptionalInt;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;

/** A {@code tokenizer.json} in Hugging Face's engine. */
final class JsonTokenizer implements Tokenizer {
  private static final TokenizersLibrary ENGINE = TokenizersLibrary.LIB;
  private static final Cleaner CLEANER = Cleaner.create();

  private final TokenizerJson json;
  private final OptionalInt end;
  private final long handle;

  /**
   * Loads a tokenizer into the engine.
   *
   * @param json the tokenizer
   * @param end text of the token that ends a text; there need be none
   * @throws DamagedException if the engine refuses it
   */
  JsonTokenizer(TokenizerJson json, String end) {
    this.json = json;
    this.end = json.id(end);
    try {
      long engine = ENGINE.createTokenizerFromString(json.text());
      CLEANER.register(this, () -> ENGINE.deleteTokenizer(engine));
      this.handle = engine;
    } catch (RuntimeException e) {
      throw new DamagedException("is refused by Hugging Face's tokenizers: " + e.getMessage());
    }
  }

  @Override
  public int vocabularySize() {
    return json.vocabularySize();
  }

  @Override
  public int[] encode(String text) {
    // Half a surrogate pair has no UTF-8.
    String whole = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    try {
      long encoding = ENGINE.encode(handle, whole, false);
      try {
        return Arrays.stream(ENGINE.getTokenIds(encoding)).mapToInt(Math::toIntExact).toArray();
      } finally {
        ENGINE.deleteEncoding(encoding);
      }
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(
          "the tokenizer cannot encode this text: " + e.getMessage(), e);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  @Override
  public OptionalInt endOfText() {
    return end;
  }

  @Override
  public StreamingDecoder streaming() {
    return new WindowStream(this);
  }

  /** Returns whether an id stands for no text. */
  boolean isSpecial(int id) {
    return json.isSpecial(id);
  }

  /**
   * Decodes all at once.
   *
   * @param ids ids of the vocabulary, as the engine takes them
   */
  String decodeWhole(long[] ids) {
    try {
      return ENGINE.decode(handle, ids, true);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  @Override
  public String toString() {
    return "Hugging Face "
        + json.kind()
        + ", "
        + vocabularySize()
        + " ids"
        + (end.isPresent() ? ", end of text " + end.getAsInt() : "");
  }
}
