package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.reformer4j.api.CheckpointException;

/**
 * The index of a checkpoint in several files, such as Hugging Face's {@code
 * model.safetensors.index.json}: which tensor is in which file.
 */
final class ShardIndex {
  private static final long MOST_BYTES = 1 << 26;
  private static final String WEIGHT_MAP = "weight_map";

  private ShardIndex() {}

  /**
   * Reads an index.
   *
   * @param file the index
   * @return names of files beside the index, by name of the tensor, in the order of the index
   * @throws CheckpointException if it cannot be read, or names files elsewhere
   */
  static Map<String, String> read(Path file) {
    Problems problems = new Problems(file);
    try {
      if (!Files.isRegularFile(file)) {
        throw new CheckpointException(file + " does not exist or is no regular file");
      }
      if (Files.size(file) > MOST_BYTES) {
        problems.add("an index has at most " + MOST_BYTES + " bytes");
        throw problems.exception(null);
      }
      try (InputStream stream = new BufferedInputStream(Files.newInputStream(file))) {
        return parse(stream, problems);
      }
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be read: " + e, e);
    }
  }

  static Map<String, String> parse(InputStream stream, Problems problems) throws IOException {
    Map<String, String> files = null;
    try (JsonParser parser = StrictJson.FACTORY.createParser(StrictJson.utf8(stream))) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        problems.add("it is not a JSON object");
        throw problems.exception(null);
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean map = parser.currentName().equals(WEIGHT_MAP);
        parser.nextToken();
        if (map) {
          files = readMap(parser, problems);
        } else {
          parser.skipChildren();
        }
      }
      if (parser.nextToken() != null) {
        problems.add("it goes on after its JSON object");
      }
    } catch (JsonProcessingException e) {
      problems.add("it is not valid JSON: " + e.getOriginalMessage());
    } catch (CharacterCodingException e) {
      problems.add("it is not valid UTF-8");
    }
    if (!problems.any() && (files == null || files.isEmpty())) {
      problems.add("it lacks the object " + WEIGHT_MAP + " that gives each tensor its file");
    }
    problems.throwIfAny();
    return files;
  }

  private static Map<String, String> readMap(JsonParser parser, Problems problems)
      throws IOException {
    Map<String, String> files = new LinkedHashMap<>();
    if (!parser.hasToken(JsonToken.START_OBJECT)) {
      problems.add(WEIGHT_MAP + " must be an object");
      parser.skipChildren();
      return files;
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      if (files.size() >= SafeTensorsHeader.MOST_ENTRIES) {
        problems.add(WEIGHT_MAP + " has more than " + SafeTensorsHeader.MOST_ENTRIES + " entries");
        throw problems.exception(null);
      }
      if (parser.nextToken() != JsonToken.VALUE_STRING) {
        problems.add("tensor " + Problems.quote(name) + " must have the name of a file");
        parser.skipChildren();
      } else if (!parser.getText().matches("[\\w][\\w.+-]{0,250}")) {
        // Also keeps out folders: an index must not lead to files elsewhere.
        problems.add(
            "tensor "
                + Problems.quote(name)
                + " has the file "
                + Problems.quote(parser.getText())
                + "; it must be the plain name of a file beside the index");
      } else {
        files.put(name, parser.getText());
      }
    }
    return files;
  }
}
