package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Losses by step.
 *
 * @param steps numbers of the steps
 * @param bitsPerByte the loss of each
 */
record LossCurve(List<Double> steps, List<Double> bitsPerByte) {
  /** Losses of the training steps in a metrics file. */
  static final String TRAINING = "bits_per_byte";

  /** Losses on held-out text in a metrics file. */
  static final String HELD_OUT = "validation_bits_per_byte";

  /**
   * Reads the curve of a field; empty where no line has it.
   *
   * @param metrics a training's metrics file
   * @param field {@link #TRAINING} or {@link #HELD_OUT}
   */
  static LossCurve read(Path metrics, String field) throws IOException {
    List<Double> steps = new ArrayList<>();
    List<Double> values = new ArrayList<>();
    ObjectMapper json = new ObjectMapper();
    for (String line : Files.readAllLines(metrics)) {
      JsonNode node = json.readTree(line);
      if (node.has(field)) {
        steps.add(node.get("step").asDouble());
        values.add(node.get(field).asDouble());
      }
    }
    return new LossCurve(steps, values);
  }

  /**
   * Returns the mean of curves over the same steps.
   *
   * @throws IllegalArgumentException if their steps differ
   */
  static LossCurve mean(List<LossCurve> curves) {
    List<Double> steps = curves.get(0).steps();
    List<Double> means = new ArrayList<>();
    for (LossCurve curve : curves) {
      if (!curve.steps().equals(steps)) {
        throw new IllegalArgumentException(
            "trainings measured after other steps have no common mean: "
                + steps
                + " and "
                + curve.steps());
      }
    }
    for (int i = 0; i < steps.size(); i++) {
      int at = i;
      means.add(curves.stream().mapToDouble(c -> c.bitsPerByte().get(at)).average().orElseThrow());
    }
    return new LossCurve(steps, means);
  }

  boolean isEmpty() {
    return steps.isEmpty();
  }
}
