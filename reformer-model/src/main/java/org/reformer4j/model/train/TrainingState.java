package org.reformer4j.model.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
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
  private static final String OPTIONS_KEY = "options";
  private static final String CONFIG_KEY = "config";
  private static final String TRAIN_KEY = "train_text";
  private static final String VALIDATION_KEY = "validation_text";
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * What a state belongs to.
   *
   * @param options options of the training
   * @param config fingerprint of the model's config
   * @param trainText fingerprint of the training text
   * @param validationText fingerprint of the held-out text
   */
  record Identity(TrainingOptions options, String config, long trainText, long validationText) {}

  private TrainingState() {}

  static void save(
      Path file, long step, Identity identity, ReformerModel model, Map<String, Tensor> optimizer) {
    Backend backend = model.backend();
    SafeTensorsWriter writer =
        new SafeTensorsWriter()
            .metadata(FORMAT_KEY, FORMAT)
            .metadata(STEP_KEY, Long.toString(step))
            .metadata(OPTIONS_KEY, toJson(identity.options()))
            .metadata(CONFIG_KEY, identity.config())
            .metadata(TRAIN_KEY, Long.toHexString(identity.trainText()))
            .metadata(VALIDATION_KEY, Long.toHexString(identity.validationText()));
    tensors(model, optimizer)
        .forEach(
            (name, tensor) -> writer.floats(name, tensor.shape(), () -> backend.download(tensor)));
    writer.write(file);
  }

  /** Loads parameters and optimizer state and returns the step. */
  static long load(
      Path file, Identity identity, ReformerModel model, Map<String, Tensor> optimizer) {
    SafeTensors state = open(file);
    Map<String, String> metadata = state.metadata();
    List<String> differences = new ArrayList<>();
    compare(differences, "options", toJson(identity.options()), metadata.get(OPTIONS_KEY));
    compare(differences, "model config", identity.config(), metadata.get(CONFIG_KEY));
    compare(
        differences,
        "training text",
        Long.toHexString(identity.trainText()),
        metadata.get(TRAIN_KEY));
    compare(
        differences,
        "held-out text",
        Long.toHexString(identity.validationText()),
        metadata.get(VALIDATION_KEY));
    Map<String, Tensor> tensors = tensors(model, optimizer);
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      String name = entry.getKey();
      if (!state.contains(name)) {
        differences.add("missing " + name);
      } else if (!state.entry(name).shape().equals(entry.getValue().shape())) {
        differences.add(
            name + " has shape " + state.entry(name).shape() + ", not " + entry.getValue().shape());
      }
    }
    if (!differences.isEmpty()) {
      throw new CheckpointException(
          file
              + " belongs to another training: "
              + String.join("; ", differences)
              + ": resume with the same text, config and options, or train into another folder");
    }
    tensors.forEach((name, tensor) -> model.backend().upload(tensor, state.floats(name)));
    return step(file, metadata);
  }

  /** Reads the options of a saved training. */
  static TrainingOptions options(Path file) {
    try {
      return JSON.readValue(open(file).metadata().get(OPTIONS_KEY), TrainingOptions.class);
    } catch (JsonProcessingException | IllegalArgumentException e) {
      throw new CheckpointException(
          file + " holds no readable training options: " + e.getMessage(), e);
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

  private static long step(Path file, Map<String, String> metadata) {
    try {
      return Long.parseLong(metadata.get(STEP_KEY));
    } catch (NumberFormatException e) {
      throw new CheckpointException(
          file + ": the step '" + metadata.get(STEP_KEY) + "' is no number", e);
    }
  }

  private static Map<String, Tensor> tensors(ReformerModel model, Map<String, Tensor> optimizer) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Parameter parameter : model.parameters().all()) {
      tensors.put(parameter.name(), parameter.value());
    }
    tensors.putAll(optimizer);
    return tensors;
  }

  private static void compare(
      List<String> differences, String what, String expected, String found) {
    if (!expected.equals(found)) {
      differences.add(what + " is " + expected + ", saved was " + found);
    }
  }

  private static String toJson(TrainingOptions options) {
    try {
      return JSON.writeValueAsString(options);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("training options cannot be written as JSON", e);
    }
  }
}
