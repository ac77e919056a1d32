package org.reformer4j.tokenizers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.text.Tokenizer;

/** Damaged files are refused by name; one that the engine saw would end this process. */
class DamagedFileTest {
  private static final String TEXT =
      "Hello, \u00e9 \ud83d\ude00 \u4e16 \ufb01 \uff21 \u304c\n<x></s>";

  @TempDir private Path folder;

  /** A way to load bytes. */
  private interface Load {
    Tokenizer of(byte[] bytes) throws IOException;
  }

  private String refusal(Load load, byte[] bytes) {
    String message = assertThrows(CheckpointException.class, () -> load.of(bytes)).getMessage();
    assertTrue(message.startsWith(folder.toString()), message);
    return message;
  }

  private void assertRefused(String part, Load load, byte[] bytes) {
    String message = refusal(load, bytes);
    assertTrue(message.contains(part), message);
  }

  private Tokenizer model(byte[] bytes) throws IOException {
    return Recorded.sentencePiece(folder, bytes);
  }

  private Tokenizer json(byte[] bytes) throws IOException {
    return Recorded.json(folder, bytes);
  }

  /** Loads what some program did to a file: it is refused, or works. */
  private int survive(Load load, byte[] whole, int count, int reach) throws IOException {
    int refused = 0;
    for (int seed = 0; seed < count; seed++) {
      byte[] bytes = mutated(whole, new Random(seed), reach);
      try {
        Tokenizer tokenizer = load.of(bytes);
        tokenizer.decode(tokenizer.encode(TEXT));
        tokenizer.decode(new Random(seed).ints(30, 0, tokenizer.vocabularySize()).toArray());
      } catch (CheckpointException e) {
        assertTrue(e.getMessage().startsWith(folder.toString()), e.getMessage());
        refused++;
      }
    }
    return refused;
  }

  private static byte[] mutated(byte[] whole, Random random, int reach) {
    byte[] bytes = whole.clone();
    int at = random.nextInt(Math.min(reach, bytes.length));
    at = random.nextBoolean() ? at : bytes.length - 1 - at;
    switch (random.nextInt(4)) {
      case 0 -> bytes[at] = (byte) random.nextInt(256);
      case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
      case 2 -> bytes = Arrays.copyOf(bytes, at);
      default -> System.arraycopy(whole, 0, bytes, at, Math.min(9, bytes.length - at));
    }
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(strings = {"unigram.model", "bpe.model", "bytes.model"})
  void mutatedModelsAreRefusedOrWork(String name) throws IOException {
    int refused = survive(this::model, Recorded.bytes(name), 150, Integer.MAX_VALUE);
    assertTrue(refused > 75 && refused < 150, refused + " refused");
  }

  @Test
  void mutatedJsonIsRefusedOrWorks() throws IOException {
    byte[] json = Recorded.bytes("bytelevel-tokenizer.json");
    int refused = survive(this::json, json, 150, 1000);
    assertTrue(refused > 75 && refused < 150, refused + " refused");
  }

  @Test
  void emptyAndForeignFilesAreRefused() throws IOException {
    assertRefused("0 pieces", this::model, new byte[0]);
    assertRefused("is no SentencePiece model", this::model, Recorded.unigramJson());
    assertRefused("is no JSON", this::json, new byte[0]);
    assertRefused("is no JSON", this::json, Recorded.bytes("bpe.model"));
    assertRefused("is no JSON object", this::json, "[]".getBytes(StandardCharsets.UTF_8));
    assertRefused("model of type ''", this::json, "{}".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void hugeFilesAreRefusedUnread() throws IOException {
    byte[] huge = new byte[TokenizerFile.MOST_BYTES + 1];
    assertRefused("no tokenizer needs", this::model, huge);
    assertRefused("no tokenizer needs", this::json, huge);
  }

  @Test
  void missingFileIsNamed() {
    Path none = folder.resolve("spiece.model");
    String message =
        assertThrows(CheckpointException.class, () -> new SentencePieceProvider().load(none))
            .getMessage();
    assertTrue(message.startsWith(none + " cannot be read"), message);
  }

  /** Writes a model of pieces, each text, score and kind, and a table of characters. */
  private static byte[] written(List<SentencePieceModel.Piece> pieces, byte[] table)
      throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    CodedOutputStream out = CodedOutputStream.newInstance(bytes);
    for (SentencePieceModel.Piece piece : pieces) {
      ByteArrayOutputStream inner = new ByteArrayOutputStream();
      CodedOutputStream fields = CodedOutputStream.newInstance(inner);
      fields.writeString(1, piece.text());
      fields.writeFloat(2, piece.score());
      fields.writeEnum(3, piece.kind().ordinal());
      fields.flush();
      out.writeByteArray(1, inner.toByteArray());
    }
    ByteArrayOutputStream inner = new ByteArrayOutputStream();
    CodedOutputStream fields = CodedOutputStream.newInstance(inner);
    fields.writeBytes(2, ByteString.copyFrom(table));
    fields.flush();
    out.writeByteArray(3, inner.toByteArray());
    out.flush();
    return bytes.toByteArray();
  }

  private static byte[] written(SentencePieceModel.Piece... more) throws IOException {
    SentencePieceModel.Piece unknown =
        new SentencePieceModel.Piece("<unk>", 0, SentencePieceModel.Kind.UNKNOWN);
    List<SentencePieceModel.Piece> pieces = new ArrayList<>(List.of(unknown));
    pieces.addAll(List.of(more));
    return written(pieces, new byte[0]);
  }

  private static SentencePieceModel.Piece piece(String text, float score) {
    return new SentencePieceModel.Piece(text, score, SentencePieceModel.Kind.NORMAL);
  }

  @Test
  void piecesThatEndTheEngineAreRefused() throws IOException {
    Tokenizer tokenizer = model(written(piece("a", -1), piece("\u2581", -2)));
    assertEquals("a \u2047 ", tokenizer.decode(tokenizer.encode("ab")));
    assertRefused("piece 1 of 0 bytes", this::model, written(piece("", -1)));
    assertRefused("none of them zero", this::model, written(piece("a\0b", -1)));
    assertRefused("with score NaN", this::model, written(piece("a", Float.NaN)));
    assertRefused("piece 2 twice: a", this::model, written(piece("a", -1), piece("a", -2)));
    assertRefused(
        "of which 2 stand",
        this::model,
        written(new SentencePieceModel.Piece("?", 0, SentencePieceModel.Kind.UNKNOWN)));
    assertRefused(
        "1 pieces for bytes",
        this::model,
        written(new SentencePieceModel.Piece("<0x00>", 0, SentencePieceModel.Kind.BYTE)));
  }

  @Test
  void tableThatLeadsOutsideIsRefusedInBothFormats() throws IOException {
    SentencePieceModel whole = SentencePieceModel.parse(Recorded.bytes("unigram.model"));
    byte[] table = whole.charsMap().clone();
    // The root's offset, in the upper bits of the first unit.
    Arrays.fill(table, 4, 8, (byte) 0x7f);
    assertRefused("damaged table of characters", this::model, written(whole.pieces(), table));
    String text = Base64.getEncoder().encodeToString(table);
    String json =
        new String(Recorded.bytes("unigram-tokenizer.json"), StandardCharsets.UTF_8)
            .replace("\"CHARSMAP\"", '"' + text + '"');
    assertRefused("damaged table of characters", this::json, json.getBytes(StandardCharsets.UTF_8));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"\"}}",
        "{\"normalizer\": {\"type\": \"Precompiled\"}}",
        "{\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, \"content\": \"\"}}",
        "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Strip\"}]}}",
        "{\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"ab\"}}",
        "{\"decoder\": {\"type\": \"Metaspace\"}}",
        "{\"decoder\": {\"type\": \"None\"}}",
        "{\"added_tokens\": [{\"id\": -1, \"content\": \"x\"}]}",
        "{\"added_tokens\": [{\"id\": 99999999, \"content\": \"x\"}]}",
        "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.0]], \"unk_id\": 1}}",
        "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\"]]}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a a\"]}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [],"
            + " \"continuing_subword_prefix\": \"##\"}}",
        "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}"
      })
  void partsThatEndTheEngineAreRefused(String changes) throws IOException {
    JsonMapper mapper = JsonMapper.builder().build();
    ObjectNode root = (ObjectNode) mapper.readTree(Recorded.bytes("bytelevel-tokenizer.json"));
    JsonNode change = mapper.readTree(changes);
    if (change.has("model")) {
      root.putArray("added_tokens");
    }
    root.setAll((ObjectNode) change);
    String message = refusal(this::json, mapper.writeValueAsBytes(root));
    assertTrue(message.contains(" has "), message);
    assertTrue(Files.exists(folder.resolve("tokenizer.json")));
  }
}
