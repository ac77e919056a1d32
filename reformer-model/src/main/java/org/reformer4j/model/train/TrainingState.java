package org.reformer4j.model.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.checkpoint.SafeTensorsWriter;

/**
 * A training at rest: parameters, optimizer state, and in the metadata everything else that decides
 * how it goes on. One file, replaced in one move, so that it is never half of one step and half of
 * another.
 */
final class TrainingState {
  private static final String FORMAT = "reformer-training-1";
  private static final String FORMAT_KEY = "format";
  private static final String STEP_KEY = "step";
  private static final String IDENTITY_KEY = "training";
  private static final String OPTIONS = "options";
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * What a state belongs to.
   *
   * @param options options of the training
   * @param config the model's
   * @param trainText fingerprint of the training text
   * @param validationText fingerprint of the held-out text
   */
  record Identity(
      TrainingOptions options, ReformerConfig config, long trainText, long validationText) {
    /** Returns it as JSON; texts come back from the disk and compare as such. */
    String json() {
      try {
        ObjectNode json = JSON.createObjectNode();
        ObjectNode course = JSON.valueToTree(options);
        if (options.memory() == MemoryPolicy.RECOMPUTE) {
          // As states were written before there was a choice, so that those can be resumed.
          course.remove("memory");
        }
        if (options.precision() == Precision.FLOAT32) {
          course.remove("precision");
        }
        json.set(OPTIONS, course);
        json.set("config", JSON.readTree(ConfigJson.toJson(config)));
        json.put("training text", Long.toHexString(trainText));
        json.put("held-out text", Long.toHexString(validationText));
        return JSON.writeValueAsString(json);
      } catch (JsonProcessingException e) {
        throw new IllegalStateException("config or options cannot be written as JSON", e);
      }
    }
  }

  private TrainingState() {}

  static void save(
      Path file, long step, Identity identity, ReformerModel model, Map<String, Tensor> optimizer) {
    Backend backend = model.backend();
    SafeTensorsWriter writer =
        new SafeTensorsWriter()
            .metadata(FORMAT_KEY, FORMAT)
            .metadata(STEP_KEY, Long.toString(step))
            .metadata(IDENTITY_KEY, identity.json());
    tensors(model, optimizer)
        .forEach(
            (name, tensor) -> writer.floats(name, tensor.shape(), () -> backend.download(tensor)));
    writer.write(file);
  }

  /** Loads parameters and optimizer state and returns the step; changes nothing if it fails. */
  static long load(
      Path file, Identity identity, ReformerModel model, Map<String, Tensor> optimizer) {
    SafeTensors state = open(file);
    long step = step(file, state.metadata());
    Map<String, Tensor> tensors = tensors(model, optimizer);
    List<String> differences = new ArrayList<>();
    compare(differences, "", parse(file, identity.json()), identity(file, state));
    if (differences.isEmpty()) {
      // Otherwise the tensors differ as a consequence, which nobody wants to read.
      compareTensors(differences, tensors, state);
    }
    if (!differences.isEmpty()) {
      throw new CheckpointException(
          file
              + " belongs to another training: "
              + String.join("; ", differences)
              + ": resume with the same text, config and options, or train into another folder");
    }
    tensors.forEach((name, tensor) -> model.backend().upload(tensor, state.floats(name)));
    model.parameters().refresh(model.backend());
    return step;
  }

  private static void compareTensors(
      List<String> differences, Map<String, Tensor> tensors, SafeTensors state) {
    tensors.forEach(
        (name, tensor) -> {
          if (!state.contains(name)) {
            differences.add("missing " + name + tensor.shape());
            return;
          }
          SafeTensors.Entry entry = state.entry(name);
          if (!entry.shape().equals(tensor.shape()) || !entry.dtype().equals("F32")) {
            differences.add(
                "mis-shaped "
                    + name
                    + ": expected F32"
                    + tensor.shape()
                    + ", found "
                    + entry.dtype()
                    + entry.shape());
          }
        });
    for (String name : state.names()) {
      if (!tensors.containsKey(name)) {
        differences.add("unexpected " + name + state.entry(name).shape());
      }
    }
  }

  /** Reads the options of a saved training. */
  static TrainingOptions options(Path file) {
    JsonNode options = identity(file, open(file)).path(OPTIONS);
    if (!options.isObject()) {
      throw new CheckpointException(file + " holds no training options");
    }
    try {
      return JSON.treeToValue(options, TrainingOptions.class);
    } catch (JsonProcessingException | IllegalArgumentException e) {
      throw new CheckpointException(
          file + " holds no readable training options: " + e.getMessage(), e);
    }
  }

  private static JsonNode identity(Path file, SafeTensors state) {
    String text = state.metadata().get(IDENTITY_KEY);
    if (text == null) {
      throw new CheckpointException(file + " does not say what training it belongs to");
    }
    return parse(file, text);
  }

  private static JsonNode parse(Path file, String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new CheckpointException(
          file + " does not say in JSON what training it belongs to: " + e.getMessage(), e);
    }
  }

  private static SafeTensors open(Path file) {
    SafeTensors state = SafeTensors.open(file);
    if (!FORMAT.equals(state.metadata().get(FORMAT_KEY))) {
      throw new CheckpointException(
          file
              + " is no training state of this version: its format is "
              + state.metadata().get(FORMAT_KEY)
              + ", expected "
              + FORMAT);
    }
    return state;
  }

  /** Reads how many steps a saved training has done. */
  static long step(Path file) {
    return step(file, open(file).metadata());
  }

  private static long step(Path file, Map<String, String> metadata) {
    String step = metadata.getOrDefault(STEP_KEY, "");
    if (!step.matches("[0-9]{1,18}")) {
      throw new CheckpointException(file + ": the step '" + step + "' is no number of a step");
    }
    return Long.parseLong(step);
  }

  private static Map<String, Tensor> tensors(ReformerModel model, Map<String, Tensor> optimizer) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Parameter parameter : model.parameters().all()) {
      tensors.put(parameter.name(), parameter.value());
    }
    tensors.putAll(optimizer);
    return tensors;
  }

  /** Lists the leaves in which two trees differ, under their path. */
  private static void compare(
      List<String> differences, String path, JsonNode expected, JsonNode found) {
    if (!expected.isObject() || !found.isObject()) {
      if (!expected.equals(found)) {
        differences.add(path + " is " + shown(expected) + ", saved was " + shown(found));
      }
      return;
    }
    SortedSet<String> names = new TreeSet<>();
    expected.fieldNames().forEachRemaining(names::add);
    found.fieldNames().forEachRemaining(names::add);
    for (String name : names) {
      String below = path.isEmpty() ? name : path + "." + name;
      compare(differences, below, expected.path(name), found.path(name));
    }
  }

  private static String shown(JsonNode value) {
    return value.isMissingNode() ? "not set" : value.toString();
  }
}
