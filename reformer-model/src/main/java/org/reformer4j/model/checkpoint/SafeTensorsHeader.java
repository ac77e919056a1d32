package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.charset.CharacterCodingException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.reformer4j.api.Shape;

/** Reads and checks the JSON header of a safetensors file as a stream. */
final class SafeTensorsHeader {
  /** Longest header that the format allows, in bytes. */
  static final long MOST_BYTES = 100_000_000;

  /** Bounds the memory that a header can ask for; no model comes near. */
  static final int MOST_ENTRIES = 100_000;

  static final String METADATA = "__metadata__";

  private static final int MOST_AXES = 32;

  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final Map<String, SafeTensors.Entry> entries = new LinkedHashMap<>();
  private final Problems problems;
  private final long dataBytes;
  private boolean rangesComplete = true;

  private SafeTensorsHeader(Problems problems, long dataBytes) {
    this.problems = problems;
    this.dataBytes = dataBytes;
  }

  /**
   * Reads a header.
   *
   * @param json exactly the bytes of the header
   * @param dataBytes bytes that follow the header in the file
   * @param problems receives all that is wrong; the result counts only if there is nothing
   * @throws IOException if the stream fails
   */
  static SafeTensorsHeader read(InputStream json, long dataBytes, Problems problems)
      throws IOException {
    SafeTensorsHeader header = new SafeTensorsHeader(problems, dataBytes);
    PushbackInputStream bytes = new PushbackInputStream(json);
    int first = bytes.read();
    if (first != '{') {
      problems.add("the header does not begin with '{'");
      return header;
    }
    bytes.unread(first);
    try (JsonParser parser = StrictJson.FACTORY.createParser(StrictJson.utf8(bytes))) {
      header.readObject(parser);
      header.checkCoverage();
    } catch (JsonProcessingException e) {
      problems.add("the header is not valid JSON: " + e.getOriginalMessage());
    } catch (CharacterCodingException e) {
      problems.add("the header is not valid UTF-8");
    }
    return header;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  /** Returns the entries by name, in the order of the header. */
  Map<String, SafeTensors.Entry> entries() {
    return entries;
  }

  private void readObject(JsonParser parser) throws IOException {
    parser.nextToken();
    int fields = 0;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      if (++fields > MOST_ENTRIES) {
        problems.add("the header has more than " + MOST_ENTRIES + " entries");
        problems.throwIfAny();
      }
      parser.nextToken();
      if (name.equals(METADATA)) {
        readMetadata(parser);
      } else {
        readEntry(parser, name);
      }
    }
    if (parser.nextToken() != null) {
      problems.add("the header goes on after its JSON object");
    }
  }

  private void readMetadata(JsonParser parser) throws IOException {
    if (!parser.hasToken(JsonToken.START_OBJECT)) {
      problems.add(METADATA + " must be an object of strings");
      parser.skipChildren();
      return;
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      if (metadata.size() >= MOST_ENTRIES) {
        problems.add(METADATA + " has more than " + MOST_ENTRIES + " entries");
        problems.throwIfAny();
      }
      if (parser.nextToken() == JsonToken.VALUE_STRING) {
        metadata.put(key, parser.getText());
      } else {
        problems.add(METADATA + ": " + Problems.quote(key) + " must be a string");
        parser.skipChildren();
      }
    }
  }

  private void readEntry(JsonParser parser, String name) throws IOException {
    String tensor = "tensor " + Problems.quote(name);
    if (!parser.hasToken(JsonToken.START_OBJECT)) {
      problems.add(tensor + " must be an object with dtype, shape and data_offsets");
      rangesComplete = false;
      parser.skipChildren();
      return;
    }
    String dtype = null;
    long[] shape = null;
    long[] offsets = null;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String field = parser.currentName();
      parser.nextToken();
      switch (field) {
        case "dtype" -> dtype = readString(parser, tensor);
        case "shape" -> shape = readLongs(parser, tensor + ": shape");
        case "data_offsets" -> offsets = readLongs(parser, tensor + ": data_offsets");
        default -> {
          problems.add(tensor + " has an unknown field " + Problems.quote(field));
          parser.skipChildren();
        }
      }
    }
    addEntry(name, dtype, shape, offsets);
  }

  private String readString(JsonParser parser, String tensor) throws IOException {
    if (parser.hasToken(JsonToken.VALUE_STRING)) {
      return parser.getText();
    }
    problems.add(tensor + ": dtype must be a string");
    parser.skipChildren();
    return null;
  }

  /** Returns the whole, not negative numbers of an array, or null after adding a problem. */
  private long[] readLongs(JsonParser parser, String what) throws IOException {
    long[] values = new long[MOST_AXES];
    int count = 0;
    boolean good = parser.hasToken(JsonToken.START_ARRAY);
    if (good) {
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        boolean whole =
            parser.hasToken(JsonToken.VALUE_NUMBER_INT)
                && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
        good &= whole && count < MOST_AXES && parser.getLongValue() >= 0;
        if (good) {
          values[count++] = parser.getLongValue();
        } else {
          parser.skipChildren();
        }
      }
    } else {
      parser.skipChildren();
    }
    if (!good) {
      problems.add(
          what + " must be an array of at most " + MOST_AXES + " integers from 0 to 2^63 - 1");
      return null;
    }
    return Arrays.copyOf(values, count);
  }

  private void addEntry(String name, String dtype, long[] shape, long[] offsets) {
    String tensor = "tensor " + Problems.quote(name);
    ElementType type = ElementType.of(dtype);
    if (dtype != null && type == null) {
      problems.add(tensor + " has the unknown dtype " + Problems.quote(dtype));
    }
    boolean inRange = offsets != null && checkRange(tensor, offsets);
    rangesComplete &= inRange;
    if (type == null || shape == null || offsets == null) {
      String missing =
          (dtype == null ? " dtype" : "")
              + (shape == null ? " shape" : "")
              + (offsets == null ? " data_offsets" : "");
      if (!missing.isEmpty()) {
        problems.add(tensor + " lacks a usable" + missing);
      }
      return;
    }
    long bytes = bytes(type, shape);
    if (bytes < 0) {
      problems.add(tensor + ": shape " + Arrays.toString(shape) + " overflows");
      return;
    }
    if (inRange && bytes != offsets[1] - offsets[0]) {
      problems.add(
          tensor
              + ": "
              + dtype
              + " of shape "
              + Arrays.toString(shape)
              + " needs "
              + bytes
              + " bytes but data_offsets "
              + Arrays.toString(offsets)
              + " give it "
              + (offsets[1] - offsets[0]));
    }
    if (inRange) {
      entries.put(
          name, new SafeTensors.Entry(name, dtype, Shape.of(shape), offsets[0], offsets[1]));
    }
  }

  private boolean checkRange(String tensor, long[] offsets) {
    if (offsets.length != 2 || offsets[0] > offsets[1]) {
      problems.add(tensor + ": data_offsets " + Arrays.toString(offsets) + " must be [begin, end]");
      return false;
    }
    if (offsets[1] > dataBytes) {
      problems.add(
          tensor
              + " ends at byte "
              + offsets[1]
              + " of the data but the file holds only "
              + dataBytes
              + "; it is truncated or damaged");
      return false;
    }
    return true;
  }

  /** Returns the size of a tensor, -1 where a product on the way overflows. */
  private static long bytes(ElementType type, long[] shape) {
    long bytes = type.bytes();
    for (long dim : shape) {
      if (dim != 0 && bytes > Long.MAX_VALUE / dim) {
        return -1;
      }
      bytes *= dim;
    }
    return bytes;
  }

  /** The format wants every byte of the data to belong to exactly one tensor. */
  private void checkCoverage() {
    List<SafeTensors.Entry> ordered = new ArrayList<>(entries.values());
    ordered.sort(
        Comparator.comparingLong(SafeTensors.Entry::begin)
            .thenComparingLong(SafeTensors.Entry::end));
    long covered = 0;
    for (SafeTensors.Entry entry : ordered) {
      if (entry.begin() < covered) {
        problems.add(
            "tensor "
                + Problems.quote(entry.name())
                + " begins at byte "
                + entry.begin()
                + " of the data, inside another tensor");
      }
      reportHole(covered, entry.begin());
      covered = Math.max(covered, entry.end());
    }
    reportHole(covered, dataBytes);
  }

  private void reportHole(long from, long to) {
    // Where the range of a tensor is unknown, what looks like a hole may be its place.
    if (from < to && rangesComplete) {
      problems.add("bytes " + from + " to " + to + " of the data belong to no tensor");
    }
  }
}
