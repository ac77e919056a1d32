package org.reformer4j.tokenizers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.stream.StreamSupport;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;

/** Tokenizer files and what the programs that define them made of texts and ids. */
final class Recorded {
  private Recorded() {}

  static byte[] bytes(String name) {
    try (InputStream in = Recorded.class.getResourceAsStream("/" + name)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new AssertionError(name, e);
    }
  }

  /** Returns the unigram model as tokenizer.json; the table of characters is in the other file. */
  static byte[] unigramJson() {
    String table =
        Base64.getEncoder()
            .encodeToString(SentencePieceModel.parse(bytes("unigram.model")).charsMap());
    return new String(bytes("unigram-tokenizer.json"), StandardCharsets.UTF_8)
        .replace("\"CHARSMAP\"", '"' + table + '"')
        .getBytes(StandardCharsets.UTF_8);
  }

  static Tokenizer sentencePiece(Path folder, byte[] model) throws IOException {
    return new SentencePieceProvider().load(Files.write(folder.resolve("spiece.model"), model));
  }

  static Tokenizer json(Path folder, byte[] json) throws IOException {
    return new TokenizerJsonProvider().load(Files.write(folder.resolve("tokenizer.json"), json));
  }

  /** Compares every text and every list of random ids, decoded whole and one by one. */
  static void check(Tokenizer tokenizer, String name) throws IOException {
    JsonNode recorded = JsonMapper.builder().build().readTree(bytes(name));
    assertTrue(recorded.get("texts").size() > 240, "texts");
    assertEquals(60, recorded.get("random").size(), "random ids");
    for (JsonNode entry : recorded.get("texts")) {
      String text = entry.get("text").textValue();
      assertArrayEquals(ids(entry), tokenizer.encode(text), () -> "ids of '" + text + "'");
    }
    recorded.forEach(entries -> entries.forEach(entry -> checkDecoding(tokenizer, entry)));
  }

  private static void checkDecoding(Tokenizer tokenizer, JsonNode entry) {
    int[] ids = ids(entry);
    String text = entry.get("decoded").textValue();
    assertEquals(text, tokenizer.decode(ids), () -> "text of " + entry);
    assertEquals(text, joined(tokenizer.streaming(), ids), () -> "stream of " + entry);
  }

  /** Decodes one by one; no part may end or begin inside a surrogate pair. */
  static String joined(StreamingDecoder decoder, int... ids) {
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      String part = decoder.append(id);
      assertEquals(part, new String(part.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
      text.append(part);
    }
    return text.append(decoder.flush()).toString();
  }

  private static int[] ids(JsonNode entry) {
    return StreamSupport.stream(entry.get("ids").spliterator(), false)
        .mapToInt(JsonNode::intValue)
        .toArray();
  }
}
