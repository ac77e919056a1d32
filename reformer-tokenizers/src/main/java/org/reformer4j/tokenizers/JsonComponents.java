package org.reformer4j.tokenizers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * The parts of a {@code tokenizer.json} and their fields. The engine ends the process, rather than
 * refuse the file, where a field of a part is missing or of another type.
 */
final class JsonComponents {
  /**
   * Part: fields, by where parts stand. A field's type is b for a truth, s for a text, c for one
   * character, p for a pattern, o for a truth or null, parts for more parts, or the texts that it
   * may be; a question mark after the name says that it may be left out.
   */
  private static final Map<String, List<String>> KNOWN =
      Map.of(
          "normalizer",
          List.of(
              "Sequence: normalizers=parts",
              "Precompiled: precompiled_charsmap=s",
              "Replace: pattern=p content=s",
              "Strip: strip_left=b strip_right=b",
              "Prepend: prepend=s",
              "BertNormalizer: clean_text=b handle_chinese_chars=b strip_accents=o lowercase=b",
              "NFC:",
              "NFD:",
              "NFKC:",
              "NFKD:",
              "Nmt:",
              "Lowercase:",
              "StripAccents:"),
          "pre_tokenizer",
          List.of(
              "Sequence: pretokenizers=parts",
              "Metaspace: replacement=c prepend_scheme?=always|never|first add_prefix_space?=b"
                  + " split?=b str_rep?=s",
              "ByteLevel: add_prefix_space=b trim_offsets=b use_regex?=b",
              "Digits: individual_digits=b",
              "Split: pattern=p invert=b"
                  + " behavior=Removed|Isolated|MergedWithPrevious|MergedWithNext|Contiguous",
              "Punctuation:"
                  + " behavior?=Removed|Isolated|MergedWithPrevious|MergedWithNext|Contiguous",
              "CharDelimiterSplit: delimiter=c",
              "Whitespace:",
              "WhitespaceSplit:",
              "UnicodeScripts:",
              "BertPreTokenizer:"),
          "decoder",
          List.of(
              "Sequence: decoders=parts",
              "Metaspace: replacement=c prepend_scheme?=always|never|first add_prefix_space?=b"
                  + " split?=b str_rep?=s",
              "ByteLevel: add_prefix_space=b trim_offsets=b use_regex?=b",
              "Replace: pattern=p content=s",
              "WordPiece: prefix=s cleanup=b",
              "BPEDecoder: suffix=s",
              "ByteFallback:",
              "Fuse:"));

  private final String place;
  private final Map<String, String[]> fields = new HashMap<>();

  private JsonComponents(String place) {
    this.place = place;
    for (String known : KNOWN.get(place)) {
      String[] words = known.split(":? ");
      fields.put(words[0].replace(":", ""), words);
    }
  }

  /**
   * Checks all parts.
   *
   * @param root the whole file
   * @throws DamagedException if the engine must not see one of them
   */
  static void check(JsonNode root) {
    for (String place : KNOWN.keySet()) {
      JsonNode part = root.path(place);
      if (!part.isNull() && !part.isMissingNode()) {
        new JsonComponents(place).part(part);
      }
    }
  }

  private void part(JsonNode part) {
    String type = part.path("type").asText();
    if (!fields.containsKey(type)) {
      throw new DamagedException(
          "has a " + place + " of the unknown type '" + type + "'; known are " + fields.keySet());
    }
    String[] words = fields.get(type);
    for (int i = 1; i < words.length; i++) {
      String[] nameAndType = words[i].split("=");
      String name = nameAndType[0].replace("?", "");
      JsonNode value = part.path(name);
      boolean left = value.isMissingNode() && nameAndType[0].endsWith("?");
      if (!left && !fits(value, nameAndType[1])) {
        throw new DamagedException(
            "has a " + place + " " + type + " whose field " + name + " is missing or wrong");
      }
    }
  }

  private boolean fits(JsonNode value, String type) {
    return switch (type) {
      case "b" -> value.isBoolean();
      case "o" -> value.isBoolean() || value.isNull();
      case "s" -> value.isTextual();
      case "c" -> value.isTextual() && value.textValue().codePoints().count() == 1;
      case "p" -> value.size() == 1 && (value.path("String").isTextual() || isRegex(value));
      case "parts" -> {
        value.forEach(this::part);
        yield value.isArray();
      }
      default -> value.isTextual() && List.of(type.split("\\|")).contains(value.textValue());
    };
  }

  /** Returns whether a pattern is one in Java, too: the engine's own dialect has no other check. */
  private static boolean isRegex(JsonNode value) {
    if (!value.path("Regex").isTextual()) {
      return false;
    }
    try {
      Pattern.compile(value.path("Regex").textValue());
      return true;
    } catch (PatternSyntaxException e) {
      return false;
    }
  }
}
