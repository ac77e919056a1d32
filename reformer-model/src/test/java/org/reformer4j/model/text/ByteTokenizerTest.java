package org.reformer4j.model.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class ByteTokenizerTest {
  private final ByteTokenizer tokenizer = new ByteTokenizer();

  @Test
  void idsAreBytesPlusTwo() {
    assertArrayEquals(new int[] {67, 99, 12}, tokenizer.encode("Aa\n"));
    assertArrayEquals(new int[] {2, 257}, tokenizer.encode(new byte[] {0, -1}));
    assertArrayEquals(new int[] {0xC3 + 2, 0xA9 + 2}, tokenizer.encode("\u00e9"));
    assertEquals(258, ByteTokenizer.VOCABULARY_SIZE);
  }

  @Test
  void everyTextComesBack() {
    String text = "Reformer \u00e9\u4e16\ud83d\ude00\u0000\n";
    assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
    assertEquals("", tokenizer.decode(new int[0]));
  }

  @Test
  void reservedIdsAreSkippedAndBadBytesReplaced() {
    assertEquals("AB", tokenizer.decode(new int[] {0, 67, 1, 68, 0}));
    assertArrayEquals(new byte[] {-1}, tokenizer.decodeBytes(new int[] {1, 257}));
    assertEquals("\ufffdA", tokenizer.decode(new int[] {257, 67}));
  }

  @Test
  void idsOutsideTheVocabularyAreRefused() {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(new int[] {67, 258}));
    assertEquals("ids[1] must be in 0..257, got 258", thrown.getMessage());
    assertThrows(IllegalArgumentException.class, () -> tokenizer.decodeBytes(new int[] {-1}));
    assertThrows(IllegalArgumentException.class, () -> new ByteTokenizer().streaming().append(258));
  }

  @Test
  void streamingNeverSplitsACharacter() {
    StreamingDecoder decoder = new ByteTokenizer().streaming();
    int[] ids = tokenizer.encode("a\u00e9\u4e16\ud83d\ude00");
    String[] pieces = {"a", "", "\u00e9", "", "", "\u4e16", "", "", "", "\ud83d\ude00"};
    for (int i = 0; i < ids.length; i++) {
      assertEquals(pieces[i], decoder.append(ids[i]), "byte " + i);
    }
    assertEquals("", decoder.flush());
  }

  @Test
  void anUnfinishedCharacterIsReplacedAtTheEnd() {
    StreamingDecoder decoder = new ByteTokenizer().streaming();
    assertEquals("", decoder.append(0xE4 + 2));
    assertEquals("", decoder.append(0xB8 + 2));
    assertEquals("\ufffd", decoder.flush());
    assertEquals("", decoder.flush());
    assertEquals("x", decoder.append('x' + 2));
  }

  @Test
  void aReservedIdInsideACharacterIsSkipped() {
    StreamingDecoder decoder = new ByteTokenizer().streaming();
    decoder.append(0xC3 + 2);
    assertEquals("", decoder.append(1));
    assertEquals("\u00e9", decoder.append(0xA9 + 2));
  }

  @Test
  void streamingEqualsDecodingAtOnce() {
    Random random = new Random(7);
    // Lead bytes, continuation bytes and edge cases, so that malformed sequences of all kinds meet.
    int[] bytes = {
      'a', 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1,
      0xF4, 0xF5, 0xFF
    };
    StreamingDecoder decoder = new ByteTokenizer().streaming();
    for (int round = 0; round < 5000; round++) {
      int[] ids = new int[random.nextInt(12)];
      StringBuilder streamed = new StringBuilder();
      for (int i = 0; i < ids.length; i++) {
        ids[i] = bytes[random.nextInt(bytes.length)] + ByteTokenizer.OFFSET;
        streamed.append(decoder.append(ids[i]));
      }
      streamed.append(decoder.flush());
      assertEquals(tokenizer.decode(ids), streamed.toString());
    }
    assertTrue(decoder.flush().isEmpty());
  }
}
