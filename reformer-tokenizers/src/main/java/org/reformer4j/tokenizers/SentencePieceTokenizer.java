package org.reformer4j.tokenizers;

import ai.djl.sentencepiece.jni.SentencePieceLibrary;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.tokenizers.SentencePieceModel.Kind;
import org.reformer4j.tokenizers.SentencePieceModel.Piece;

/**
 * A {@code spiece.model}: the engine encodes; decoding, which is a table, is done here, piece by
 * piece.
 */
final class SentencePieceTokenizer implements Tokenizer {
  private static final SentencePieceLibrary ENGINE = SentencePieceLibrary.LIB;
  private static final Cleaner CLEANER = Cleaner.create();

  private final SentencePieceModel model;
  private final OptionalInt end;
  private final long handle;

  /**
   * Loads a model into the engine.
   *
   * @param model what the bytes say
   * @param bytes the whole file
   * @throws DamagedException if the engine refuses it
   */
  SentencePieceTokenizer(SentencePieceModel model, byte[] bytes) {
    this.model = model;
    this.end = end(model);
    long engine = ENGINE.createSentencePieceProcessor();
    CLEANER.register(this, () -> ENGINE.deleteSentencePieceProcessor(engine));
    this.handle = engine;
    try {
      ENGINE.loadModelFromBytes(engine, bytes);
    } catch (RuntimeException e) {
      throw new DamagedException("is refused by SentencePiece: " + e.getMessage());
    }
  }

  private static OptionalInt end(SentencePieceModel model) {
    List<Piece> pieces = model.pieces();
    for (int id = 0; id < pieces.size(); id++) {
      if (pieces.get(id).kind() == Kind.CONTROL && pieces.get(id).text().equals(model.end())) {
        return OptionalInt.of(id);
      }
    }
    return OptionalInt.empty();
  }

  @Override
  public int vocabularySize() {
    return model.pieces().size();
  }

  @Override
  public int[] encode(String text) {
    // Half a surrogate pair has no UTF-8.
    String whole = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    try {
      return ENGINE.encode(handle, whole);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  @Override
  public OptionalInt endOfText() {
    return end;
  }

  @Override
  public StreamingDecoder streaming() {
    return new PieceStream(model);
  }

  @Override
  public String toString() {
    return "SentencePiece "
        + model.algorithm().name().toLowerCase(Locale.ROOT)
        + ", "
        + vocabularySize()
        + " ids"
        + (end.isPresent() ? ", end of text " + end.getAsInt() : "");
  }
}
