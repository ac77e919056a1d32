package org.reformer4j.tokenizers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.text.Tokenizers;

/** The files of a folder and its config decide about the tokenizer. */
class FolderTest {
  @TempDir private Path folder;

  private static ReformerConfig config(int vocabulary) {
    return ReformerConfig.builder().vocabSize(vocabulary).build();
  }

  private void put(String name, byte[] content) throws IOException {
    Files.write(folder.resolve(name), content);
  }

  private String refusal(int vocabulary) {
    return assertThrows(
            CheckpointException.class, () -> Tokenizers.load(folder, config(vocabulary)))
        .getMessage();
  }

  @Test
  void tokenizerJsonIsTakenBeforeSentencePiece() throws IOException {
    assertEquals(Optional.empty(), Tokenizers.fileIn(folder));
    put("spiece.model", Recorded.bytes("bpe.model"));
    assertTrue(Tokenizers.load(folder, config(320)).toString().startsWith("SentencePiece bpe"));
    put("tokenizer.json", Recorded.unigramJson());
    assertEquals(Optional.of("tokenizer.json"), Tokenizers.fileIn(folder));
    assertTrue(Tokenizers.load(folder, config(320)).toString().startsWith("Hugging Face Unigram"));
  }

  @Test
  void sizeIsThatOfTheConfigFile() throws IOException {
    ConfigJson.write(folder.resolve("config.json"), config(258));
    assertInstanceOf(ByteTokenizer.class, Tokenizers.load(folder));
  }

  @Test
  void withoutFileOnlyTheSizeOfBytesIsUnderstood() {
    assertInstanceOf(ByteTokenizer.class, Tokenizers.load(folder, config(258)));
    String message = refusal(320);
    assertTrue(message.contains("vocab_size 320"), message);
    assertTrue(message.contains("[tokenizer.json, spiece.model] is needed"), message);
  }

  @Test
  void tokenizerOfALargerModelIsRefused() throws IOException {
    put("spiece.model", Recorded.bytes("bytes.model"));
    String message = refusal(320);
    assertTrue(message.contains("400 ids, the model (vocab_size) only 320"), message);
  }

  @Test
  void idsBeyondTheTokenizerDecodeToNothing() throws IOException {
    put("spiece.model", Recorded.bytes("bpe.model"));
    Tokenizer plain = Tokenizers.load(folder, config(320));
    Tokenizer padded = Tokenizers.load(folder, config(384));
    assertEquals(384, padded.vocabularySize());
    assertEquals(OptionalInt.of(2), padded.endOfText());
    assertTrue(padded.toString().endsWith("; 64 ids of the model are unused"), padded.toString());
    int[] ids = plain.encode("the king");
    assertArrayEquals(ids, padded.encode("the king"));
    int[] more = {383, ids[0], 320, ids[1], 330};
    assertEquals(plain.decode(ids[0], ids[1]), padded.decode(more));
    assertEquals(padded.decode(more), Recorded.joined(padded.streaming(), more));
    assertThrows(IllegalArgumentException.class, () -> padded.decode(384));
    assertThrows(IllegalArgumentException.class, () -> padded.streaming().append(384));
  }
}
