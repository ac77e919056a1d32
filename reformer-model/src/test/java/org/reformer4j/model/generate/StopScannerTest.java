package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.StreamingDecoder;

class StopScannerTest {
  /** Ids are places in a list of words. */
  private static StreamingDecoder words(List<String> words) {
    return new StreamingDecoder() {
      @Override
      public String append(int id) {
        return words.get(id);
      }

      @Override
      public String flush() {
        return "";
      }
    };
  }

  private record Run(List<String> pieces, String text, boolean found) {}

  private static Run run(StreamingDecoder decoder, int[] ids, String... stops) {
    StopScanner scanner = new StopScanner(decoder, List.of(stops));
    List<String> pieces = new ArrayList<>();
    for (int id : ids) {
      if (!scanner.found()) {
        pieces.add(scanner.append(id));
      }
    }
    pieces.add(scanner.finish());
    assertEquals(scanner.text(), String.join("", pieces), "pieces make the text");
    return new Run(pieces, scanner.text(), scanner.found());
  }

  private static Run words(List<String> words, String... stops) {
    int[] ids = new int[words.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = i;
    }
    return run(words(words), ids, stops);
  }

  private static Run bytes(String text, String... stops) {
    ByteTokenizer tokenizer = new ByteTokenizer();
    return run(tokenizer.streaming(), tokenizer.encode(text), stops);
  }

  @Test
  void whatMayBeAStopStringIsHeldBack() {
    Run run = words(List.of("one EN", "D two", " END", "x", " STO", "P and more"), "STOP");
    assertEquals(List.of("one EN", "D two", " END", "x", " ", "", ""), run.pieces());
    assertTrue(run.found());
    assertEquals("one END two ENDx ", run.text());
    Run never = words(List.of("a ST", "OR", "ST", "O"), "STOP");
    assertEquals(List.of("a ", "STOR", "", "", "STO"), never.pieces());
    assertFalse(never.found());
    // A stop string may begin again inside itself.
    List<String> words = List.of("ab", "aa", "baa", "a", "b");
    assertEquals(List.of("ab", "", "aab", "", "aaab", ""), words(words, "aaaab").pieces());
    Run overlap = words(List.of("aa", "aa", "a", "b"), "aaaab");
    assertEquals(List.of("", "", "a", "", ""), overlap.pieces());
    assertTrue(overlap.found());
  }

  @Test
  void stopStringsBeginInsideTokensAndCharacters() {
    Run run = bytes("naïve café – über", "é –");
    assertEquals("naïve caf", run.text());
    assertTrue(run.found());
    // The first byte of the two characters is the same, or three of four.
    assertFalse(bytes("è", "é").found());
    assertEquals("è", bytes("è", "é").text());
    assertEquals("x\uD83D\uDE00", bytes("x\uD83D\uDE00y\uD83D\uDE01", "y\uD83D\uDE01").text());
    assertEquals("x\uD83D\uDE00", bytes("x\uD83D\uDE00", "\uD83D\uDE01").text());
  }

  @Test
  void unfinishedCharactersComeAtTheEnd() {
    StopScanner scanner = new StopScanner(new ByteTokenizer().streaming(), List.of("aX"));
    assertEquals("", scanner.append('a' + ByteTokenizer.OFFSET));
    assertEquals("", scanner.append(0xC3 + ByteTokenizer.OFFSET));
    assertEquals("a\uFFFD", scanner.finish());
  }

  @Test
  void theFirstCompleteStopStringCounts() {
    for (List<String> words : List.of(List.of("xabcd"), List.of("x", "a", "b", "c", "d"))) {
      assertEquals("xa", words(words, "abcd", "bc").text());
      assertEquals("x", words(words, "bc", "abc").text());
      assertEquals("xab", words(words, "cd", "c").text());
    }
  }

  /** The result is that of looking at ever longer texts, wherever tokens end. */
  @Test
  void tokensDoNotMatter() {
    Random random = new Random(7);
    int found = 0;
    for (int i = 0; i < 3000; i++) {
      String text = letters(random, random.nextInt(20));
      String[] stops = new String[1 + random.nextInt(3)];
      for (int s = 0; s < stops.length; s++) {
        stops[s] = letters(random, 1 + random.nextInt(5));
      }
      String expected = text;
      for (int end = 0; end <= text.length() && expected.equals(text); end++) {
        String prefix = text.substring(0, end);
        for (String stop : stops) {
          if (prefix.endsWith(stop) && end - stop.length() < expected.length()) {
            expected = text.substring(0, end - stop.length());
          }
        }
      }
      List<String> words = new ArrayList<>();
      for (int at = 0; at < text.length(); ) {
        int end = Math.min(text.length(), at + 1 + random.nextInt(4));
        words.add(text.substring(at, end));
        at = end;
      }
      Run run = words(words, stops);
      assertEquals(expected, run.text(), text + " with " + String.join(" ", stops));
      assertEquals(!expected.equals(text), run.found());
      found += run.found() ? 1 : 0;
    }
    assertTrue(found > 1000 && found < 2900, "both happen: " + found);
  }

  private static String letters(Random random, int length) {
    StringBuilder letters = new StringBuilder();
    for (int i = 0; i < length; i++) {
      letters.append((char) ('a' + random.nextInt(3)));
    }
    return letters.toString();
  }
}
