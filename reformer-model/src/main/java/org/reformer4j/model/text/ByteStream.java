package org.reformer4j.model.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Bytes to text, as UTF-8. */
final class ByteStream implements StreamingDecoder {
  // A UTF-8 character has at most four bytes, so three may wait for the next one.
  private final ByteBuffer pending = ByteBuffer.allocate(4);
  private final CharBuffer decoded = CharBuffer.allocate(8);
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPLACE)
          .onUnmappableCharacter(CodingErrorAction.REPLACE);

  @Override
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

  @Override
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
