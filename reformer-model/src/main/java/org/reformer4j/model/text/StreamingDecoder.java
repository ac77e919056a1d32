package org.reformer4j.model.text;

/**
 * Turns ids into text while they are generated, without ever splitting a character. All texts
 * returned, joined, equal {@link Tokenizer#decode} of all ids. Used by one thread at a time.
 */
public interface StreamingDecoder {
  /**
   * Takes one more id.
   *
   * @param id an id of the tokenizer; a special one adds nothing
   * @return the text that this id completes; empty inside a character; bytes that are no UTF-8 come
   *     out as U+FFFD
   * @throws IllegalArgumentException if the id is not in the vocabulary
   */
  String append(int id);

  /**
   * Ends the text and makes the decoder ready for another one.
   *
   * @return what was held back, such as U+FFFD if the text ended inside a character; otherwise the
   *     empty string
   */
  String flush();
}
