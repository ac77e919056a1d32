package org.reformer4j.tokenizers;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * What a {@code spiece.model} says, a protocol buffer (sentencepiece_model.proto): what decoding
 * needs, and what has to be right before the engine sees it.
 */
final class SentencePieceModel {
  /** Kinds of pieces, numbered as in the file. */
  enum Kind {
    NONE,
    NORMAL,
    UNKNOWN,
    CONTROL,
    USER_DEFINED,
    UNUSED,
    BYTE
  }

  /** How a text is cut, numbered as in the file. */
  enum Algorithm {
    NONE,
    UNIGRAM,
    BPE,
    WORD,
    CHAR
  }

  /** One entry of the vocabulary; its id is its place. */
  record Piece(String text, float score, Kind kind) {}

  private final List<Piece> pieces = new ArrayList<>();
  private Algorithm algorithm = Algorithm.UNIGRAM;
  private boolean byteFallback;
  private String end = "</s>";
  private String unknownText = " \u2047 ";
  private byte[] charsMap = {};
  private boolean dummyPrefix = true;
  private boolean removesExtraSpaces = true;
  private boolean denormalizes;

  /** Reads the fields of one message; what is not asked for is skipped. */
  private interface Fields {
    /** Returns whether the field was read. */
    boolean read(int number, CodedInputStream in) throws IOException;
  }

  private SentencePieceModel() {}

  /**
   * Reads a model.
   *
   * @param bytes the whole file
   * @throws DamagedException if it is none, or one that the engine must not see
   */
  static SentencePieceModel parse(byte[] bytes) {
    SentencePieceModel model = new SentencePieceModel();
    try {
      message(CodedInputStream.newInstance(bytes), model::field);
    } catch (IOException e) {
      throw new DamagedException("is no SentencePiece model: " + e.getMessage());
    }
    new SentencePieceChecks(model).run();
    return model;
  }

  private boolean field(int number, CodedInputStream in) throws IOException {
    switch (number) {
      case 1 -> pieces.add(piece(in));
      case 2 -> nested(in, this::trainerField);
      case 3 -> nested(in, this::normalizerField);
      case 5 -> nested(in, this::denormalizerField);
      default -> {
        return false;
      }
    }
    return true;
  }

  private static Piece piece(CodedInputStream in) throws IOException {
    Object[] found = {"", 0f, Kind.NORMAL};
    nested(
        in,
        (number, field) -> {
          switch (number) {
            case 1 -> found[0] = field.readStringRequireUtf8();
            case 2 -> found[1] = field.readFloat();
            case 3 -> found[2] = value(Kind.values(), field.readEnum(), "kind of piece");
            default -> {
              return false;
            }
          }
          return true;
        });
    return new Piece((String) found[0], (Float) found[1], (Kind) found[2]);
  }

  private boolean trainerField(int number, CodedInputStream in) throws IOException {
    switch (number) {
      case 3 -> algorithm = value(Algorithm.values(), in.readEnum(), "model_type");
      case 35 -> byteFallback = in.readBool();
      case 44 -> unknownText = in.readStringRequireUtf8();
      case 47 -> end = in.readStringRequireUtf8();
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean normalizerField(int number, CodedInputStream in) throws IOException {
    switch (number) {
      case 2 -> charsMap = in.readByteArray();
      case 3 -> dummyPrefix = in.readBool();
      case 4 -> removesExtraSpaces = in.readBool();
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean denormalizerField(int number, CodedInputStream in) throws IOException {
    if (number == 2) {
      denormalizes = in.readByteArray().length > 0;
      return true;
    }
    return false;
  }

  private static void nested(CodedInputStream in, Fields fields) throws IOException {
    int outer = in.pushLimit(in.readRawVarint32());
    message(in, fields);
    in.popLimit(outer);
  }

  private static void message(CodedInputStream in, Fields fields) throws IOException {
    int tag = in.readTag();
    while (tag != 0) {
      if (!fields.read(WireFormat.getTagFieldNumber(tag), in) && !in.skipField(tag)) {
        throw new DamagedException("is no SentencePiece model: it ends a group that never began");
      }
      tag = in.readTag();
    }
  }

  private static <T extends Enum<T>> T value(T[] values, int number, String what) {
    if (number < 1 || number >= values.length) {
      throw new DamagedException("has the unknown " + what + " " + number);
    }
    return values[number];
  }

  List<Piece> pieces() {
    return pieces;
  }

  Algorithm algorithm() {
    return algorithm;
  }

  /** Returns whether unknown characters become the pieces of their bytes. */
  boolean byteFallback() {
    return byteFallback;
  }

  /** Returns the text of the piece that ends a text. */
  String end() {
    return end;
  }

  /** Returns what an unknown piece decodes to. */
  String unknownText() {
    return unknownText;
  }

  /** Returns the table of character replacements, which may be empty. */
  byte[] charsMap() {
    return charsMap;
  }

  /** Returns whether a space is put before every text. */
  boolean dummyPrefix() {
    return dummyPrefix;
  }

  /** Returns whether spaces at the ends, and all but one elsewhere, are removed. */
  boolean removesExtraSpaces() {
    return removesExtraSpaces;
  }

  /** Returns whether characters are replaced after decoding, too. */
  boolean denormalizes() {
    return denormalizes;
  }
}
