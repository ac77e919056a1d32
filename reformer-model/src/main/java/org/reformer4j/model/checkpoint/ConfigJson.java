package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.InvalidConfigException;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;

/** Reads and writes Hugging Face's {@code config.json}. */
public final class ConfigJson {
  private static final int MOST_BYTES = 1 << 22;
  private static final String MODEL_TYPE = "model_type";
  private static final String NUM_LAYERS = "num_hidden_layers";

  /** Fields that ask for what this library does not have, and the values that do not. */
  private static final Map<String, Predicate<JsonNode>> HARMLESS =
      Map.of(
          "add_cross_attention", ConfigJson::isOff,
          "is_encoder_decoder", ConfigJson::isOff,
          "pruned_heads", ConfigJson::isOff,
          "quantization_config", ConfigJson::isOff,
          "sinusoidal_pos_embds", ConfigJson::isOff);

  private ConfigJson() {}

  /**
   * Reads a config. Missing fields take the defaults of Hugging Face; fields that mean nothing here
   * are kept in {@link ReformerConfig#extra()}.
   *
   * @param file a {@code config.json}
   * @throws CheckpointException if it cannot be read or does not describe a Reformer that this
   *     library can run; the message lists every field that is wrong
   */
  public static ReformerConfig read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(file + " does not exist or is no regular file");
    }
    try (InputStream stream = Files.newInputStream(file)) {
      return parse(file, stream.readNBytes(MOST_BYTES + 1));
    } catch (IOException e) {
      throw new CheckpointException(file + " cannot be read: " + e, e);
    }
  }

  /**
   * Writes a config as {@link AtomicFiles#write} does, with all fields in alphabetical order.
   *
   * @param file the {@code config.json} to write
   * @param config what to write
   * @throws IllegalArgumentException if {@code extra} has a name of a field of its own or a value
   *     that is not JSON
   * @throws CheckpointException if the file cannot be written
   */
  public static void write(Path file, ReformerConfig config) {
    ByteBuffer bytes = StandardCharsets.UTF_8.encode(toJson(config));
    AtomicFiles.write(
        file,
        channel -> {
          while (bytes.hasRemaining()) {
            channel.write(bytes);
          }
        });
  }

  static ReformerConfig parse(Path file, byte[] bytes) throws IOException {
    Problems problems = new Problems(file);
    if (bytes.length > MOST_BYTES) {
      problems.add("a config has at most " + MOST_BYTES + " bytes");
      throw problems.exception(null);
    }
    JsonNode json;
    try {
      json = StrictJson.MAPPER.readTree(StrictJson.utf8(new ByteArrayInputStream(bytes)));
    } catch (JsonProcessingException e) {
      problems.add("it is not valid JSON: " + e.getOriginalMessage());
      throw problems.exception(e);
    } catch (NumberFormatException e) {
      // Jackson lets this through where the exponent of a number is out of all bounds.
      problems.add("it is not usable JSON: " + e.getMessage());
      throw problems.exception(e);
    } catch (CharacterCodingException e) {
      problems.add("it is not valid UTF-8");
      throw problems.exception(e);
    }
    if (!(json instanceof ObjectNode object)) {
      problems.add("it is not a JSON object");
      throw problems.exception(null);
    }
    return fromJson(object, problems);
  }

  private static ReformerConfig fromJson(ObjectNode json, Problems problems) {
    ReformerConfigBuilder builder = ReformerConfig.builder();
    List<String> unread = new ArrayList<>();
    for (ConfigField field : ConfigFields.ALL) {
      if (json.has(field.name())) {
        try {
          field.reader().accept(json.get(field.name()), builder);
        } catch (IllegalArgumentException e) {
          problems.add(field.name() + ": " + e.getMessage());
          unread.add(field.name());
        }
      }
    }
    ConfigLabels.read(json, builder, problems);
    checkFixed(json, problems);
    builder.extra(extra(json, problems));
    ReformerConfig config = null;
    try {
      config = builder.build();
    } catch (InvalidConfigException e) {
      // A field that was not read has its default, which fits nothing: such echoes only confuse.
      e.problems().stream()
          .filter(problem -> unread.stream().noneMatch(problem::contains))
          .forEach(problems::add);
    }
    problems.throwIfAny();
    return config;
  }

  private static void checkFixed(ObjectNode json, Problems problems) {
    JsonNode type = json.get(MODEL_TYPE);
    if (type != null && !ReformerConfig.MODEL_TYPE.equals(type.textValue())) {
      problems.add(
          MODEL_TYPE
              + " is "
              + Problems.quote(type.toString())
              + ", this library reads only 'reformer'");
    }
    JsonNode count = json.get(NUM_LAYERS);
    JsonNode layers = json.get("attn_layers");
    if (count == null || layers != null && !layers.isArray()) {
      return;
    }
    int expected =
        layers == null ? ReformerConfig.builder().build().numHiddenLayers() : layers.size();
    if (!count.isIntegralNumber() || !count.canConvertToInt() || count.intValue() != expected) {
      problems.add(
          NUM_LAYERS
              + " is "
              + Problems.quote(count.toString())
              + " but attn_layers has "
              + expected
              + " entries; make them equal");
    }
  }

  private static SortedMap<String, String> extra(ObjectNode json, Problems problems) {
    SortedMap<String, String> extra = new TreeMap<>();
    for (Map.Entry<String, JsonNode> field : json.properties()) {
      String name = field.getKey();
      if (isOwn(name)) {
        continue;
      }
      if (HARMLESS.containsKey(name) && !HARMLESS.get(name).test(field.getValue())) {
        problems.add(
            name
                + " is "
                + Problems.quote(field.getValue().toString())
                + ", which this library does not support");
      }
      extra.put(name, field.getValue().toString());
    }
    return extra;
  }

  private static boolean isOff(JsonNode value) {
    return value.isNull()
        || value.isBoolean() && !value.booleanValue()
        || value.isContainerNode() && value.isEmpty();
  }

  private static boolean isOwn(String name) {
    return switch (name) {
      case MODEL_TYPE,
          NUM_LAYERS,
          ConfigLabels.ID_TO_LABEL,
          ConfigLabels.LABEL_TO_ID,
          ConfigLabels.NUM_LABELS ->
          true;
      default -> ConfigFields.ALL.stream().anyMatch(field -> field.name().equals(name));
    };
  }

  /**
   * Returns a config as JSON text, all fields in alphabetical order.
   *
   * @param config what to write
   * @throws IllegalArgumentException if {@code extra} has a name of a field of its own or a value
   *     that is not JSON
   */
  public static String toJson(ReformerConfig config) {
    SortedMap<String, JsonNode> fields = new TreeMap<>();
    for (ConfigField field : ConfigFields.ALL) {
      JsonNode value = field.writer().apply(config);
      if (!value.isMissingNode()) {
        fields.put(field.name(), value);
      }
    }
    ConfigLabels.write(config, fields);
    fields.put(MODEL_TYPE, TextNode.valueOf(ReformerConfig.MODEL_TYPE));
    fields.put(NUM_LAYERS, StrictJson.MAPPER.getNodeFactory().numberNode(config.numHiddenLayers()));
    try {
      for (Map.Entry<String, String> extra : config.extra().entrySet()) {
        if (isOwn(extra.getKey())) {
          throw new IllegalArgumentException(
              "extra field " + extra.getKey() + " has its own place in the config; set it there");
        }
        JsonNode value = StrictJson.MAPPER.readTree(extra.getValue());
        if (value.isMissingNode()) {
          throw new IllegalArgumentException(
              "extra field " + extra.getKey() + " is empty; give it JSON text, such as null");
        }
        fields.put(extra.getKey(), value);
      }
      DefaultPrettyPrinter printer =
          new DefaultPrettyPrinter()
              .withArrayIndenter(new DefaultIndenter("  ", "\n"))
              .withObjectIndenter(new DefaultIndenter("  ", "\n"));
      return StrictJson.MAPPER.writer(printer).writeValueAsString(fields) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          "the extra fields " + config.extra().keySet() + " must have JSON text as values: " + e,
          e);
    }
  }
}
