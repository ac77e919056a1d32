package org.reformer4j.tokenizers;

import java.nio.charset.StandardCharsets;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.tokenizers.SentencePieceModel.Piece;

/** Pieces to text, as SentencePiece's {@code Decode} joins them. */
final class PieceStream implements StreamingDecoder {
  private static final String SPACE = "\u2581";

  private final SentencePieceModel model;
  private final byte[] pending = new byte[4];
  private int pendingCount;

  /** Whether a space at the beginning of a piece is the one that encoding put before the text. */
  private boolean atStart = true;

  PieceStream(SentencePieceModel model) {
    this.model = model;
  }

  @Override
  public String append(int id) {
    if (id < 0 || id >= model.pieces().size()) {
      throw new IllegalArgumentException(
          "id must be in 0.." + (model.pieces().size() - 1) + ", got " + id);
    }
    Piece piece = model.pieces().get(id);
    return switch (piece.kind()) {
      case BYTE -> {
        atStart = false;
        yield take((byte) Integer.parseInt(piece.text().substring(3, 5), 16));
      }
      case CONTROL -> takeRest();
      case UNKNOWN -> takeRest() + begun(model.unknownText());
      default -> takeRest() + begun(text(piece.text()));
    };
  }

  private String text(String piece) {
    boolean stripped =
        atStart && (model.dummyPrefix() || model.removesExtraSpaces()) && piece.startsWith(SPACE);
    String rest = stripped ? piece.substring(SPACE.length()) : piece;
    if (stripped && !model.removesExtraSpaces()) {
      atStart = false;
    }
    return rest.replace(SPACE, " ");
  }

  private String begun(String text) {
    atStart &= text.isEmpty();
    return text;
  }

  /** Takes one byte; a byte that begins no character becomes U+FFFD alone, as in SentencePiece. */
  private String take(byte next) {
    StringBuilder text = new StringBuilder();
    pending[pendingCount++] = next;
    while (pendingCount > 0) {
      int length = characterLength();
      if (length > pendingCount) {
        break;
      }
      text.append(length == 0 ? "\uFFFD" : new String(pending, 0, length, StandardCharsets.UTF_8));
      drop(Math.max(1, length));
    }
    return text.toString();
  }

  /** Returns how many bytes the first pending character has, 0 if it is none. */
  private int characterLength() {
    int lead = Byte.toUnsignedInt(pending[0]);
    int length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead > 0xF4) {
      return 0;
    }
    for (int i = 1; i < Math.min(length, pendingCount); i++) {
      int low = 0x80;
      int high = 0xBF;
      if (i == 1) {
        // Overlong forms, surrogates and what is beyond U+10FFFF.
        low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : low;
        high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : high;
      }
      int follower = Byte.toUnsignedInt(pending[i]);
      if (follower < low || follower > high) {
        return 0;
      }
    }
    return length;
  }

  private void drop(int count) {
    System.arraycopy(pending, count, pending, 0, pendingCount - count);
    pendingCount -= count;
  }

  /** Ends a run of bytes, perhaps inside a character. */
  private String takeRest() {
    String rest = "\uFFFD".repeat(pendingCount);
    pendingCount = 0;
    return rest;
  }

  @Override
  public String flush() {
    atStart = true;
    return takeRest();
  }
}
