package org.reformer4j.tokenizers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Base64;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;

/** What a {@code tokenizer.json} says, and the part of it that the engine gets. */
final class TokenizerJson {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** Larger ids than of any vocabulary would make the tables of ids large. */
  private static final int MOST_IDS = 1 << 24;

  /** Scores are log probabilities; sums of them must stay finite. */
  private static final double LARGEST_SCORE = 1e9;

  private final ObjectNode root;
  private final Map<String, Integer> ids = new HashMap<>();
  private final BitSet special = new BitSet();
  private int vocabularySize;

  private TokenizerJson(ObjectNode root) {
    this.root = root;
  }

  /**
   * Reads a tokenizer.
   *
   * @param bytes the whole file
   * @throws DamagedException if it is none, or one that the engine must not see
   */
  static TokenizerJson parse(byte[] bytes) {
    if (!(tree(bytes) instanceof ObjectNode root)) {
      throw new DamagedException("is no JSON object");
    }
    TokenizerJson json = new TokenizerJson(root);
    json.readVocabulary();
    json.readAddedTokens();
    if (json.vocabularySize == 0) {
      throw new DamagedException("has no vocabulary (model.vocab)");
    }
    JsonComponents.check(root);
    checkCharsMaps(root);
    // Texts are neither cut nor filled up nor surrounded by special tokens.
    root.putNull("truncation").putNull("padding").putNull("post_processor");
    return json;
  }

  /** Parses any JSON. */
  static JsonNode tree(byte[] bytes) {
    try {
      return MAPPER.readTree(bytes);
    } catch (JsonProcessingException e) {
      throw new DamagedException("is no JSON: " + e.getOriginalMessage());
    } catch (IOException e) {
      throw new DamagedException("is no JSON: " + e.getMessage());
    }
  }

  private void readVocabulary() {
    JsonNode model = root.path("model");
    JsonNode vocabulary = model.path("vocab");
    switch (kind()) {
      case "Unigram" -> {
        vocabulary.forEach(this::addScored);
        JsonNode unknown = model.path("unk_id");
        if (!unknown.isNull() && !(unknown.asInt(-1) >= 0 && unknown.asInt() < vocabularySize)) {
          throw new DamagedException("has unk_id " + unknown + " of " + vocabularySize + " ids");
        }
      }
      case "BPE" -> {
        vocabulary.properties().forEach(entry -> add(entry.getKey(), id(entry.getValue())));
        // The engine cuts this many bytes off tokens that may have fewer.
        if (!model.path("continuing_subword_prefix").asText("").isEmpty()) {
          throw new DamagedException("has a continuing_subword_prefix, which is not supported");
        }
        model.path("merges").forEach(this::checkMerge);
      }
      default ->
          throw new DamagedException(
              "has a model of type '" + kind() + "'; known are Unigram and BPE");
    }
    JsonNode unknown = model.path("unk_token");
    if (unknown.isTextual() && !ids.containsKey(unknown.textValue())) {
      throw new DamagedException("has the unk_token " + unknown + ", which is not in model.vocab");
    }
  }

  private void addScored(JsonNode entry) {
    if (entry.size() != 2
        || !entry.path(0).isTextual()
        || !(Math.abs(entry.path(1).asDouble(Double.NaN)) <= LARGEST_SCORE)) {
      throw new DamagedException("has a vocabulary entry that is no [text, score]: " + entry);
    }
    add(entry.get(0).textValue(), vocabularySize);
  }

  /** A merge is "a b" or ["a", "b"]. */
  private void checkMerge(JsonNode merge) {
    String[] parts =
        merge.isTextual()
            ? merge.textValue().split(" ", -1)
            : new String[] {merge.path(0).asText(), merge.path(1).asText()};
    if (parts.length != 2
        || !ids.containsKey(parts[0])
        || !ids.containsKey(parts[1])
        || !ids.containsKey(parts[0] + parts[1])) {
      throw new DamagedException("has a merge of tokens that are not in model.vocab: " + merge);
    }
  }

  private void readAddedTokens() {
    for (JsonNode token : root.path("added_tokens")) {
      int id = id(token.path("id"));
      add(token.path("content").asText(), id);
      special.set(id, token.path("special").asBoolean());
    }
  }

  private void add(String text, int id) {
    ids.put(text, id);
    vocabularySize = Math.max(vocabularySize, id + 1);
  }

  private static int id(JsonNode node) {
    if (!node.canConvertToInt() || node.intValue() < 0 || node.intValue() >= MOST_IDS) {
      throw new DamagedException("has the id " + node + ", needed is one in 0.." + (MOST_IDS - 1));
    }
    return node.intValue();
  }

  private static void checkCharsMaps(JsonNode root) {
    for (JsonNode map : root.findValues("precompiled_charsmap")) {
      // A model without a table has an empty one; the engine wants no part at all then.
      if (map.asText().isEmpty()) {
        throw new DamagedException("has an empty table of characters (precompiled_charsmap)");
      }
      try {
        CharsMap.check(Base64.getDecoder().decode(map.asText()));
      } catch (IllegalArgumentException e) {
        throw new DamagedException(
            "has a table of characters that is no base64: " + e.getMessage());
      }
    }
  }

  /** Returns one more than the largest id. */
  int vocabularySize() {
    return vocabularySize;
  }

  /** Returns whether an id stands for no text. */
  boolean isSpecial(int id) {
    return special.get(id);
  }

  /** Returns the id of a token. */
  OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** Returns the kind of the model, such as Unigram. */
  String kind() {
    return root.path("model").path("type").asText();
  }

  /** Returns what the engine reads. */
  String text() {
    return root.toString();
  }
}
