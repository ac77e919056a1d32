package org.reformer4j.tokenizers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.model.text.Tokenizer;

/** Files of Hugging Face's tokenizers against what its Python package recorded. */
class TokenizerJsonTest {
  @TempDir private Path folder;

  @Test
  void unigramIsHuggingFaces() throws IOException {
    Tokenizer tokenizer = Recorded.json(folder, Recorded.unigramJson());
    assertEquals(320, tokenizer.vocabularySize());
    assertEquals("Hugging Face Unigram, 320 ids, end of text 2", tokenizer.toString());
    Recorded.check(tokenizer, "unigram-json.json");
  }

  @Test
  void charactersOfSeveralTokensAreHuggingFaces() throws IOException {
    Tokenizer tokenizer = Recorded.json(folder, Recorded.bytes("bytelevel-tokenizer.json"));
    assertEquals(330, tokenizer.vocabularySize());
    assertEquals(OptionalInt.empty(), tokenizer.endOfText());
    Recorded.check(tokenizer, "bytelevel.json");
  }

  @Test
  void endOfTextIsThatOfTheConfig() throws IOException {
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"eos_token\": \"<end>\"}");
    byte[] json = Recorded.bytes("bytelevel-tokenizer.json");
    assertEquals(OptionalInt.of(0), Recorded.json(folder, json).endOfText());
    Files.writeString(config, "{\"eos_token\": {\"content\": \"a\"}}");
    Tokenizer tokenizer = Recorded.json(folder, json);
    assertEquals("a", tokenizer.decode(tokenizer.endOfText().orElseThrow()));
  }

  @Test
  void neitherCutsNorFillsUpNorSurrounds() throws IOException {
    String json = new String(Recorded.unigramJson(), StandardCharsets.UTF_8);
    String cutting =
        json.replace(
            "\"truncation\": null",
            "\"truncation\": {\"direction\":\"Right\",\"max_length\":2,\"strategy\":\"LongestFirst\","
                + "\"stride\":0}");
    assertTrue(cutting.length() > json.length());
    Tokenizer tokenizer = Recorded.json(folder, cutting.getBytes(StandardCharsets.UTF_8));
    assertEquals("This is a test", tokenizer.decode(tokenizer.encode("This is a test")));
  }

  @Test
  void unknownIdsAreRefused() throws IOException {
    Tokenizer tokenizer = Recorded.json(folder, Recorded.unigramJson());
    assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(320));
    assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(-1));
  }

  @Test
  void manyThreadsShareATokenizer() throws IOException {
    Tokenizer tokenizer = Recorded.json(folder, Recorded.bytes("bytelevel-tokenizer.json"));
    String text = "First Citizen: before we proceed any further, hear me speak.\n".repeat(5);
    assertTrue(
        IntStream.range(0, 200)
            .parallel()
            .allMatch(i -> text.equals(tokenizer.decode(tokenizer.encode(text)))));
  }
}
