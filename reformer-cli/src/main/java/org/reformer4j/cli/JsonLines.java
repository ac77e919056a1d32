package org.reformer4j.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Reads JSON Lines: an object per line, strict UTF-8, lines of bounded length. */
final class JsonLines {
  /** Room for half a million tokens with a label each, as numbers. */
  static final int LONGEST_LINE = 1 << 25;

  private static final int DEEPEST_NESTING = 8;
  private static final String BYTE_ORDER_MARK = "\uFEFF";

  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(DEEPEST_NESTING)
                          .maxStringLength(LONGEST_LINE)
                          .build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private JsonLines() {}

  /**
   * Reads a file; empty lines are skipped.
   *
   * @param file what to read
   * @param lines gets every object, in order
   * @throws IllegalArgumentException if there is no such file, or a line is no object; the message
   *     names the line
   * @throws UncheckedIOException if reading fails
   */
  static void read(Path file, Consumer<JsonLine> lines) {
    if (!Files.isRegularFile(file)) {
      throw new IllegalArgumentException(
          file + " is no file: give a file with a JSON object per line");
    }
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      ByteArrayOutputStream line = new ByteArrayOutputStream();
      long number = 1;
      for (int next = in.read(); next >= 0 || line.size() > 0; next = in.read()) {
        if (next >= 0 && next != '\n') {
          line.write(next);
          if (line.size() > LONGEST_LINE) {
            throw JsonLine.error(
                file, number, "longer than " + LONGEST_LINE + " bytes: split the example", null);
          }
          continue;
        }
        String text = decode(file, number, line.toByteArray());
        if (!text.isBlank()) {
          lines.accept(new JsonLine(file, number, parse(file, number, text)));
        }
        line.reset();
        number++;
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file + ": " + e, e);
    }
  }

  private static String decode(Path file, long number, byte[] bytes) {
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      return number == 1 && text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw JsonLine.error(file, number, "not UTF-8: convert the file to UTF-8", e);
    }
  }

  private static ObjectNode parse(Path file, long number, String text) {
    try {
      JsonNode node = MAPPER.readTree(text);
      if (node instanceof ObjectNode object) {
        return object;
      }
      throw JsonLine.error(
          file,
          number,
          "must be an object such as {\"text\": ..., \"label\": ...}, found "
              + JsonLine.quote(node),
          null);
    } catch (JsonProcessingException e) {
      throw JsonLine.error(
          file,
          number,
          "not JSON, column "
              + (e.getLocation() == null ? 1 : e.getLocation().getColumnNr())
              + ": "
              + e.getOriginalMessage(),
          e);
    }
  }
}
