package org.reformer4j.tokenizers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;

/** Models of SentencePiece against what its own program recorded. */
class SentencePieceTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"unigram, 320", "bpe, 320", "bytes, 400"})
  void idsAndTextsAreSentencePieces(String name, int size) throws IOException {
    Tokenizer tokenizer = Recorded.sentencePiece(folder, Recorded.bytes(name + ".model"));
    assertEquals(size, tokenizer.vocabularySize());
    assertEquals(OptionalInt.of(2), tokenizer.endOfText());
    Recorded.check(tokenizer, name + ".json");
  }

  @Test
  void kindIsNamed() throws IOException {
    assertEquals(
        "SentencePiece bpe, 320 ids, end of text 2",
        Recorded.sentencePiece(folder, Recorded.bytes("bpe.model")).toString());
  }

  @Test
  void unknownIdsAreRefusedBeforeTheEngine() throws IOException {
    Tokenizer tokenizer = Recorded.sentencePiece(folder, Recorded.bytes("bpe.model"));
    for (int id : new int[] {-1, 320, Integer.MAX_VALUE}) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(3, id)).getMessage();
      assertEquals("id must be in 0..319, got " + id, message);
    }
  }

  @Test
  void halfASurrogatePairIsAQuestionMark() throws IOException {
    Tokenizer tokenizer = Recorded.sentencePiece(folder, Recorded.bytes("bpe.model"));
    assertEquals("a?b", tokenizer.decode(tokenizer.encode("a\ud83db")));
  }

  @Test
  void flushMakesTheDecoderReadyForAnotherText() throws IOException {
    Tokenizer tokenizer = Recorded.sentencePiece(folder, Recorded.bytes("bytes.model"));
    int[] ids = tokenizer.encode("the \u00e9");
    StreamingDecoder decoder = tokenizer.streaming();
    assertEquals("the \u00e9", Recorded.joined(decoder, ids));
    int first = ids[ids.length - 2];
    assertEquals("\ufffd", Recorded.joined(decoder, first), "half a character");
    assertEquals("the \u00e9", Recorded.joined(decoder, ids));
  }

  @Test
  void manyThreadsShareATokenizer() throws IOException {
    Tokenizer tokenizer = Recorded.sentencePiece(folder, Recorded.bytes("unigram.model"));
    String text = "First Citizen: before we proceed any further, hear me speak. ".repeat(20).trim();
    int[] ids = tokenizer.encode(text);
    assertTrue(
        IntStream.range(0, 200)
            .parallel()
            .allMatch(i -> text.equals(tokenizer.decode(tokenizer.encode(text)))));
    assertEquals(text, tokenizer.decode(ids));
  }
}
