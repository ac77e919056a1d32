package org.reformer4j.model.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Turns ids of a {@link ByteTokenizer} into text while they are generated, without ever splitting a
 * character of several bytes. All texts returned, joined, equal {@link ByteTokenizer#decode} of all
 * ids. Used by one thread at a time.
 */
public final class StreamingDecoder {
  // A UTF-8 character has at most four bytes, so three may wait for the next one.
  private final ByteBuffer pending = ByteBuffer.allocate(4);
  private final CharBuffer decoded = CharBuffer.allocate(8);
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);

  /** Starts with nothing pending. */
  public StreamingDecoder() {}

  /**
   * Takes one more id.
   *
   * @param id id in 0..257; a reserved id adds nothing
   * @return the text that this id completes; empty inside a character; bytes that are no UTF-8 come
   *     out as U+FFFD
   * @throws IllegalArgumentException if the id is not in the vocabulary
   */
  public String append(int id) {
    if (!ByteTokenizer.inVocabulary(id)) {
      throw new IllegalArgumentException(
          "id must be in 0.." + (ByteTokenizer.VOCABULARY_SIZE - 1) + ", got " + id);
    }
    if (id < ByteTokenizer.OFFSET) {
      return "";
    }
    pending.put((byte) (id - ByteTokenizer.OFFSET)).flip();
    decoder.decode(pending, decoded, false);
    pending.compact();
    return take();
  }

  /**
   * Ends the text and makes the decoder ready for another one.
   *
   * @return U+FFFD if the text ended inside a character, otherwise the empty string
   */
  public String flush() {
    pending.flip();
    decoder.decode(pending, decoded, true);
    decoder.flush(decoded);
    decoder.reset();
    pending.clear();
    return take();
  }

  private String take() {
    String text = decoded.flip().toString();
    decoded.clear();
    return text;
  }
}
