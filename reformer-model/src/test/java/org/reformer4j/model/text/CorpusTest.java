package org.reformer4j.model.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CorpusTest {
  @Test
  void bytesAndIds() {
    Corpus corpus = Corpus.of(new byte[] {0, -1, 'a'});
    assertEquals(3, corpus.length());
    assertEquals(-1, corpus.at(1));
    int[] ids = {-1, -1, -1, -1};
    corpus.copyIds(1, 2, ids, 1);
    assertArrayEquals(new int[] {-1, 257, 'a' + 2, -1}, ids);
    corpus.copyIds(3, 0, ids, 4);
  }

  @Test
  void theArrayIsCopied() {
    byte[] bytes = {1, 2};
    Corpus corpus = Corpus.of(bytes);
    bytes[0] = 9;
    assertEquals(1, corpus.at(0));
  }

  @Test
  void positionsOutsideAreRefused() {
    Corpus corpus = Corpus.of(new byte[10]).slice(2, 6);
    int[] ids = new int[4];
    assertThrows(IndexOutOfBoundsException.class, () -> corpus.at(4));
    assertThrows(IndexOutOfBoundsException.class, () -> corpus.at(-1));
    assertThrows(IndexOutOfBoundsException.class, () -> corpus.copyIds(1, 4, ids, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> corpus.copyIds(0, 4, ids, 1));
    assertThrows(IndexOutOfBoundsException.class, () -> corpus.slice(0, 5));
    assertThrows(IllegalArgumentException.class, () -> Corpus.of(new byte[0]));
  }

  @Test
  void slicesAreViewsOfTheirPart() {
    Corpus corpus = of("0123456789");
    Corpus part = corpus.slice(2, 8).slice(1, 4);
    assertEquals("345", text(part));
    assertEquals('3', part.at(0));
    assertEquals(0, corpus.slice(4, 4).length());
  }

  @Test
  void splitsIntoFirstAndLastPart() {
    Corpus.Split split = of("0123456789").split(0.2);
    assertEquals("01234567", text(split.train()));
    assertEquals("89", text(split.validation()));
    Corpus.Split whole = of("01").split(0);
    assertEquals("01", text(whole.train()));
    assertEquals(0, whole.validation().length());
  }

  @Test
  void splitsThatLeaveNothingAreRefused() {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> of("0123").split(0.01));
    assertTrue(thrown.getMessage().contains("4 bytes"), thrown.getMessage());
    assertTrue(thrown.getMessage().contains("use more text"), thrown.getMessage());
    assertThrows(IllegalArgumentException.class, () -> of("0123").split(0.99));
    assertThrows(IllegalArgumentException.class, () -> of("0123").split(1));
    assertThrows(IllegalArgumentException.class, () -> of("0123").split(-0.1));
    assertThrows(IllegalArgumentException.class, () -> of("0123").split(Double.NaN));
  }

  @Test
  void fingerprintTellsTextsApart() {
    byte[] bytes = new byte[100_000];
    new Random(1).nextBytes(bytes);
    long whole = Corpus.of(bytes).fingerprint();
    assertEquals(whole, Corpus.of(bytes).fingerprint());
    assertEquals(whole, Corpus.of(bytes).slice(0, bytes.length).fingerprint());
    assertNotEquals(whole, Corpus.of(bytes).slice(0, bytes.length - 1).fingerprint());
    assertNotEquals(whole, Corpus.of(Arrays.copyOf(bytes, bytes.length - 1)).fingerprint());
    assertNotEquals(
        Corpus.of(bytes).slice(0, 100).fingerprint(), Corpus.of(bytes).slice(1, 101).fingerprint());
    for (int changed : new int[] {0, bytes.length - 1}) {
      byte[] other = bytes.clone();
      other[changed]++;
      assertNotEquals(whole, Corpus.of(other).fingerprint(), "byte " + changed);
    }
  }

  @Test
  void fingerprintOfShortTextsReadsEveryByte() {
    byte[] bytes = new byte[4096];
    long before = Corpus.of(bytes).fingerprint();
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = 1;
      assertNotEquals(before, Corpus.of(bytes).fingerprint(), "byte " + i);
      bytes[i] = 0;
    }
  }

  @Test
  void fingerprintIsStoredInCheckpointsAndMustNotChange() {
    assertEquals(-8733375001747067902L, of("Reformer").fingerprint());
  }

  private static Corpus of(String text) {
    return Corpus.of(text.getBytes(StandardCharsets.UTF_8));
  }

  static String text(Corpus corpus) {
    int[] ids = new int[(int) corpus.length()];
    corpus.copyIds(0, ids.length, ids, 0);
    return new ByteTokenizer().decode(ids);
  }
}
