package org.reformer4j.model.text;

import java.util.OptionalInt;

/** Text to ids and back. Used by many threads at once. */
public interface Tokenizer {
  /** Returns the number of ids; all are in 0..this - 1. */
  int vocabularySize();

  /**
   * Encodes a text, without special tokens around it.
   *
   * @param text any text; half a surrogate pair becomes a question mark
   * @return its ids
   */
  int[] encode(String text);

  /**
   * Decodes ids, as {@link #streaming} does; special ones are skipped and bytes that are no UTF-8
   * become U+FFFD.
   *
   * @param ids ids of this tokenizer
   * @return the text
   * @throws IllegalArgumentException if an id is not in the vocabulary
   */
  default String decode(int... ids) {
    StringBuilder text = new StringBuilder();
    StreamingDecoder decoder = streaming();
    for (int id : ids) {
      text.append(decoder.append(id));
    }
    return text.append(decoder.flush()).toString();
  }

  /** Returns the id that ends a text, where the tokenizer has one. */
  default OptionalInt endOfText() {
    return OptionalInt.empty();
  }

  /** Returns a decoder for ids that come one by one, with nothing pending. */
  StreamingDecoder streaming();
}
