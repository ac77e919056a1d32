package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;

/**
 * The classes of a config, which {@code config.json} holds three times: {@code id2label}, {@code
 * label2id} and {@code num_labels}. Any of them may be missing; those present must agree.
 */
final class ConfigLabels {
  static final String ID_TO_LABEL = "id2label";
  static final String LABEL_TO_ID = "label2id";
  static final String NUM_LABELS = "num_labels";

  /** A bare number must not be able to ask for any amount of memory. */
  private static final int MOST_UNNAMED = 100_000;

  private ConfigLabels() {}

  static void read(ObjectNode json, ReformerConfigBuilder builder, Problems problems) {
    try {
      List<String> labels = null;
      if (json.hasNonNull(ID_TO_LABEL)) {
        labels = byNumber(ID_TO_LABEL, json.get(ID_TO_LABEL), false);
      }
      if (json.hasNonNull(LABEL_TO_ID)) {
        List<String> inverse = byNumber(LABEL_TO_ID, json.get(LABEL_TO_ID), true);
        require(
            labels == null || labels.equals(inverse), "label2id is not the inverse of id2label");
        labels = inverse;
      }
      if (labels != null) {
        builder.labels(labels);
      }
      if (json.hasNonNull(NUM_LABELS)) {
        int count = number(NUM_LABELS, json.get(NUM_LABELS));
        if (labels == null) {
          require(
              count >= 1 && count <= MOST_UNNAMED,
              "num_labels is " + count + "; set it to 1 .. " + MOST_UNNAMED + " or give id2label");
          builder.numLabels(count);
        } else {
          require(
              count == labels.size(),
              "num_labels is " + count + " but id2label or label2id has " + labels.size());
        }
      }
    } catch (IllegalArgumentException e) {
      problems.add(e.getMessage());
    }
  }

  static void write(ReformerConfig config, Map<String, JsonNode> fields) {
    ObjectNode names = StrictJson.MAPPER.createObjectNode();
    config.id2label().forEach((id, label) -> names.put(id.toString(), label));
    ObjectNode ids = StrictJson.MAPPER.createObjectNode();
    config.label2id().forEach(ids::put);
    fields.put(ID_TO_LABEL, names);
    fields.put(LABEL_TO_ID, ids);
    fields.put(NUM_LABELS, StrictJson.MAPPER.getNodeFactory().numberNode(config.numLabels()));
  }

  private static List<String> byNumber(String field, JsonNode json, boolean labelFirst) {
    require(json.isObject(), field + " must be an object");
    SortedMap<Integer, String> labels = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      String key = entry.getKey();
      JsonNode value = entry.getValue();
      if (labelFirst) {
        labels.put(number(field, value), key);
      } else {
        require(
            value.isTextual(), field + ": the label of " + Problems.quote(key) + " must be text");
        labels.put(number(field, key), value.textValue());
      }
    }
    require(
        !labels.isEmpty()
            && labels.size() == json.size()
            && labels.firstKey() == 0
            && labels.lastKey() == labels.size() - 1,
        field + " must give each class one label, numbered from 0 without gaps");
    return new ArrayList<>(labels.values());
  }

  private static int number(String field, JsonNode json) {
    require(
        json.isIntegralNumber() && json.canConvertToInt(),
        field + " must have integers, has " + Problems.quote(json.toString()));
    return json.intValue();
  }

  private static int number(String field, String text) {
    require(
        text.matches("0|[1-9][0-9]{0,8}"),
        field + " must have integers as names, has " + Problems.quote(text));
    return Integer.parseInt(text);
  }

  private static void require(boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem);
    }
  }
}
