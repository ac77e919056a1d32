package org.reformer4j.tokenizers;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.reformer4j.tokenizers.SentencePieceModel.Algorithm;
import org.reformer4j.tokenizers.SentencePieceModel.Kind;
import org.reformer4j.tokenizers.SentencePieceModel.Piece;

/**
 * What SentencePiece takes for granted in a model: if it is not so, the engine ends the process.
 */
record SentencePieceChecks(SentencePieceModel model) {
  private static final int BYTES = 256;

  /** Longer words than this are no pieces, and cost quadratic time. */
  private static final int LONGEST_PIECE = 1 << 14;

  /** Scores are log probabilities or negative ranks; sums of them must stay finite. */
  private static final float LARGEST_SCORE = 1e9f;

  /**
   * Checks everything.
   *
   * @throws DamagedException at the first thing that is wrong
   */
  void run() {
    List<Piece> pieces = model.pieces();
    Set<String> texts = new HashSet<>();
    for (int id = 0; id < pieces.size(); id++) {
      check(id, pieces.get(id));
      if (!texts.add(pieces.get(id).text())) {
        throw new DamagedException("has piece " + id + " twice: " + pieces.get(id).text());
      }
    }
    if (count(Kind.UNKNOWN) != 1) {
      throw new DamagedException(
          "is no SentencePiece model: it has "
              + pieces.size()
              + " pieces, of which "
              + count(Kind.UNKNOWN)
              + " stand for unknown characters; needed is one");
    }
    checkBytes();
    if (model.denormalizes()) {
      throw new DamagedException(
          "replaces characters after decoding (denormalizer_spec), which this library does not");
    }
    CharsMap.check(model.charsMap());
  }

  private static void check(int id, Piece piece) {
    int length = piece.text().getBytes(StandardCharsets.UTF_8).length;
    if (length == 0 || length > LONGEST_PIECE || piece.text().indexOf(0) >= 0) {
      throw new DamagedException(
          "has piece "
              + id
              + " of "
              + length
              + " bytes; needed are 1 to "
              + LONGEST_PIECE
              + ", none of them zero");
    }
    if (!(Math.abs(piece.score()) <= LARGEST_SCORE)) {
      throw new DamagedException("has piece " + id + " with score " + piece.score());
    }
  }

  private void checkBytes() {
    long bytes = count(Kind.BYTE);
    boolean whole = bytes == BYTES;
    for (Piece piece : model.pieces()) {
      whole &= piece.kind() != Kind.BYTE || piece.text().matches("<0x[0-9A-F]{2}>");
    }
    if (model.byteFallback() ? !whole : bytes > 0) {
      throw new DamagedException(
          "has " + bytes + " pieces for bytes and byte_fallback " + model.byteFallback());
    }
    if (model.byteFallback()
        && model.algorithm() != Algorithm.UNIGRAM
        && model.algorithm() != Algorithm.BPE) {
      throw new DamagedException("has bytes in a model of kind " + model.algorithm());
    }
  }

  private long count(Kind kind) {
    return model.pieces().stream().filter(piece -> piece.kind() == kind).count();
  }
}
