package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;

/**
 * An object of a JSON Lines file, with the place to name in messages.
 *
 * @param file where it stands
 * @param number of its line, from 1
 * @param fields the object
 */
record JsonLine(Path file, long number, ObjectNode fields) {
  private static final int LONGEST_QUOTE = 60;

  /** Returns an exception that names the line. */
  IllegalArgumentException error(String problem) {
    return error(file, number, problem, null);
  }

  static IllegalArgumentException error(Path file, long number, String problem, Throwable cause) {
    return new IllegalArgumentException(file + " line " + number + ": " + problem, cause);
  }

  /** Returns whether a field is there and not null. */
  boolean has(String name) {
    return fields.hasNonNull(name);
  }

  JsonNode get(String name) {
    if (!has(name)) {
      throw error("there is no \"" + name + "\": add it");
    }
    return fields.get(name);
  }

  String text(String name) {
    JsonNode value = get(name);
    if (!value.isTextual()) {
      throw error("\"" + name + "\" must be a text, found " + quote(value));
    }
    return value.textValue();
  }

  int integer(String name) {
    return integer(name, get(name));
  }

  private int integer(String name, JsonNode value) {
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw error("\"" + name + "\" must hold integers, found " + quote(value));
    }
    return value.intValue();
  }

  JsonNode list(String name) {
    JsonNode value = get(name);
    if (!value.isArray()) {
      throw error("\"" + name + "\" must be a list, found " + quote(value));
    }
    return value;
  }

  int[] integers(String name) {
    JsonNode list = list(name);
    int[] values = new int[list.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = integer(name, list.get(i));
    }
    return values;
  }

  /** Returns a value for use in a message. */
  static String quote(JsonNode value) {
    String json = value.toString();
    return json.length() > LONGEST_QUOTE ? json.substring(0, LONGEST_QUOTE) + "..." : json;
  }
}
