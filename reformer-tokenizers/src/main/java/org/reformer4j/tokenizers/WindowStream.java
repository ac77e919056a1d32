package org.reformer4j.tokenizers;

import java.util.Arrays;
import org.reformer4j.model.text.StreamingDecoder;

/**
 * Decodes a short window of ids again and again: what the text of a token is, depends on those
 * around it (spaces between words, characters of several bytes). The window begins with the ids
 * that gave the last text, as context, and goes on with those that have given none yet.
 */
final class WindowStream implements StreamingDecoder {
  private static final char BROKEN = '\uFFFD';

  /** A character has at most four bytes; a longer run without a whole one is none. */
  private static final int MOST_WAITING = 16;

  private final JsonTokenizer tokenizer;
  private long[] window = new long[2 * MOST_WAITING];
  private int count;

  /** How many ids of the window are context. */
  private int context;

  WindowStream(JsonTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  @Override
  public String append(int id) {
    if (id < 0 || id >= tokenizer.vocabularySize()) {
      throw new IllegalArgumentException(
          "id must be in 0.." + (tokenizer.vocabularySize() - 1) + ", got " + id);
    }
    if (tokenizer.isSpecial(id)) {
      return "";
    }
    window[count++] = id;
    String text = fresh();
    boolean waits = text.isEmpty() || text.charAt(text.length() - 1) == BROKEN;
    return waits && count - context < MOST_WAITING ? "" : take(text);
  }

  /** Returns the text of the ids that are not context. */
  private String fresh() {
    String before = tokenizer.decodeWhole(Arrays.copyOf(window, context));
    String all = tokenizer.decodeWhole(Arrays.copyOf(window, count));
    return all.startsWith(before) ? all.substring(before.length()) : all;
  }

  private String take(String text) {
    System.arraycopy(window, context, window, 0, count - context);
    count -= context;
    context = count;
    return text;
  }

  @Override
  public String flush() {
    String rest = count > context ? fresh() : "";
    count = 0;
    context = 0;
    return rest;
  }
}
