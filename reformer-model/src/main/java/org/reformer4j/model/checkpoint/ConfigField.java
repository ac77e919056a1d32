package org.reformer4j.model.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;

/**
 * One field of {@code config.json}: its way from JSON into a builder and from a config into JSON.
 *
 * @param name name in the file
 * @param reader sets the value; throws IllegalArgumentException saying what the value must be
 * @param writer gives the value, a missing node where the field is left out
 */
record ConfigField(
    String name,
    BiConsumer<JsonNode, ReformerConfigBuilder> reader,
    Function<ReformerConfig, JsonNode> writer) {

  static ConfigField integer(
      String name,
      Function<ReformerConfig, Integer> get,
      BiConsumer<ReformerConfigBuilder, Integer> set) {
    return new ConfigField(
        name, (json, b) -> set.accept(b, toInt(json)), c -> IntNode.valueOf(get.apply(c)));
  }

  static ConfigField real(
      String name,
      Function<ReformerConfig, Double> get,
      BiConsumer<ReformerConfigBuilder, Double> set) {
    return new ConfigField(
        name, (json, b) -> set.accept(b, toDouble(json)), c -> DoubleNode.valueOf(get.apply(c)));
  }

  static ConfigField flag(
      String name,
      Function<ReformerConfig, Boolean> get,
      BiConsumer<ReformerConfigBuilder, Boolean> set) {
    return new ConfigField(
        name, (json, b) -> set.accept(b, toBoolean(json)), c -> BooleanNode.valueOf(get.apply(c)));
  }

  static ConfigField integers(
      String name,
      Function<ReformerConfig, List<Integer>> get,
      BiConsumer<ReformerConfigBuilder, List<Integer>> set) {
    return new ConfigField(
        name,
        (json, b) -> set.accept(b, toList(json, ConfigField::toInt)),
        c -> array(get.apply(c), IntNode::valueOf));
  }

  static int toInt(JsonNode json) {
    require(json.isIntegralNumber() && json.canConvertToInt(), "an integer of 32 bits", json);
    return json.intValue();
  }

  static long toLong(JsonNode json) {
    require(json.isIntegralNumber() && json.canConvertToLong(), "an integer of 64 bits", json);
    return json.longValue();
  }

  static double toDouble(JsonNode json) {
    require(json.isNumber(), "a number", json);
    return json.doubleValue();
  }

  static boolean toBoolean(JsonNode json) {
    require(json.isBoolean(), "true or false", json);
    return json.booleanValue();
  }

  static String toText(JsonNode json) {
    require(json.isTextual(), "a string", json);
    return json.textValue();
  }

  static <T> List<T> toList(JsonNode json, Function<JsonNode, T> element) {
    require(json.isArray(), "a list", json);
    List<T> values = new ArrayList<>();
    json.forEach(e -> values.add(element.apply(e)));
    return values;
  }

  static <T> JsonNode array(List<T> values, Function<T, JsonNode> element) {
    return JsonNodeFactory.instance.arrayNode().addAll(values.stream().map(element).toList());
  }

  static void require(boolean holds, String what, JsonNode json) {
    if (!holds) {
      throw new IllegalArgumentException(
          "must be " + what + ", is " + Problems.quote(json.toString()));
    }
  }
}
