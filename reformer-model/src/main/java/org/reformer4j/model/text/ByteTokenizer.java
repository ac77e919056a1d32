package org.reformer4j.model.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Bytes as tokens: id = byte + {@value #OFFSET}, the convention of the public enwik8 Reformer
 * checkpoint. Ids 0 and 1 stand for no byte (padding and end); decoding skips them.
 */
public final class ByteTokenizer implements Tokenizer {
  /** Number of ids: 256 bytes and the reserved ones. */
  public static final int VOCABULARY_SIZE = 258;

  /** Id of byte 0; the ids below are reserved. */
  public static final int OFFSET = 2;

  /** Makes a tokenizer; it has no settings. */
  public ByteTokenizer() {}

  @Override
  public int vocabularySize() {
    return VOCABULARY_SIZE;
  }

  /** Encodes the UTF-8 bytes of a text; each id is in {@value #OFFSET}..257. */
  @Override
  public int[] encode(String text) {
    return encode(text.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Encodes bytes.
   *
   * @param bytes any bytes
   * @return one id per byte, each in {@value #OFFSET}..257
   */
  public int[] encode(byte[] bytes) {
    int[] ids = new int[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      ids[i] = Byte.toUnsignedInt(bytes[i]) + OFFSET;
    }
    return ids;
  }

  /**
   * Decodes ids to bytes; reserved ids are skipped.
   *
   * @param ids ids in 0..257
   * @return one byte per id that is not reserved
   * @throws IllegalArgumentException if an id is not in the vocabulary
   */
  public byte[] decodeBytes(int[] ids) {
    byte[] bytes = new byte[ids.length];
    int count = 0;
    for (int i = 0; i < ids.length; i++) {
      if (!inVocabulary(ids[i])) {
        throw new IllegalArgumentException(
            "ids[" + i + "] must be in 0.." + (VOCABULARY_SIZE - 1) + ", got " + ids[i]);
      }
      if (ids[i] >= OFFSET) {
        bytes[count++] = (byte) (ids[i] - OFFSET);
      }
    }
    return Arrays.copyOf(bytes, count);
  }

  @Override
  public String decode(int... ids) {
    return new String(decodeBytes(ids), StandardCharsets.UTF_8);
  }

  @Override
  public StreamingDecoder streaming() {
    return new ByteStream();
  }

  @Override
  public String toString() {
    return "bytes, " + VOCABULARY_SIZE + " ids";
  }

  static boolean inVocabulary(int id) {
    return id >= 0 && id < VOCABULARY_SIZE;
  }
}
