package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerModel;

/** What the head of a model says about a line, as JSON. */
final class Predictions {
  private final ReformerModel model;
  private final ExampleInputs inputs;
  private final List<String> labels;

  /**
   * Predicts with a model.
   *
   * @param model has a head for sequences or tokens
   * @param inputs how its texts become ids
   * @throws IllegalArgumentException if it has another head or none
   */
  Predictions(ReformerModel model, ExampleInputs inputs) {
    switch (model.task()) {
      case BASE ->
          throw new IllegalArgumentException(
              "the model has no head: give it one with 'reformer finetune', or use 'reformer infer"
                  + " --pooling' for its vectors");
      case LANGUAGE_MODEL ->
          throw new IllegalArgumentException(
              "the model is a language model: use 'reformer generate', or 'reformer infer' for its"
                  + " logits");
      default -> {
        this.model = model;
        this.inputs = inputs;
        this.labels = model.config().labels();
      }
    }
  }

  /** Returns the prediction for a line, with the "id" that the line has. */
  ObjectNode of(JsonLine line) {
    int[] ids = inputs.ids(line);
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    if (line.has("id")) {
      result.set("id", line.get("id"));
    }
    switch (model.task()) {
      case SEQUENCE_CLASSIFICATION -> classes(result, run(ids).get("logits").values());
      case TOKEN_CLASSIFICATION -> tokens(result, run(ids).get("logits").values());
      case QUESTION_ANSWERING -> answer(result, line, ids);
      default -> embedding(result, line, ids);
    }
    return result;
  }

  /** A sequence at a time: beside longer ones it would be hashed into as many buckets as they. */
  private Map<String, ModelOutput> run(int[] ids) {
    return model.outputs(Batch.of(ids), CallOptions.EVALUATION);
  }

  private void classes(ObjectNode result, float[] logits) {
    ProblemType problem =
        model
            .config()
            .problemType()
            .orElse(
                labels.size() == 1
                    ? ProblemType.REGRESSION
                    : ProblemType.SINGLE_LABEL_CLASSIFICATION);
    switch (problem) {
      case REGRESSION -> scores(result.putObject("values"), logits);
      case SINGLE_LABEL_CLASSIFICATION -> {
        double[] shares = softmax(logits, 0, logits.length);
        int best = best(shares);
        result.put("label", labels.get(best)).put("score", (float) shares[best]);
        scores(result.putObject("scores"), floats(shares));
      }
      case MULTI_LABEL_CLASSIFICATION -> {
        double[] shares = new double[logits.length];
        ArrayNode chosen = result.putArray("labels");
        for (int i = 0; i < shares.length; i++) {
          shares[i] = 1 / (1 + StrictMath.exp(-logits[i]));
          if (logits[i] > 0) {
            chosen.add(labels.get(i));
          }
        }
        scores(result.putObject("scores"), floats(shares));
      }
    }
  }

  private void scores(ObjectNode result, float[] values) {
    for (int i = 0; i < values.length; i++) {
      result.put(labels.get(i), values[i]);
    }
  }

  private void tokens(ObjectNode result, float[] logits) {
    ArrayNode names = result.putArray("labels");
    ArrayNode scores = result.putArray("scores");
    int classes = labels.size();
    for (int from = 0; from < logits.length; from += classes) {
      double[] shares = softmax(logits, from, classes);
      int best = best(shares);
      names.add(labels.get(best));
      scores.add((float) shares[best]);
    }
  }

  /** The likeliest pair of a start and an end not before it, within the context if there is one. */
  private void answer(ObjectNode result, JsonLine line, int[] ids) {
    Map<String, ModelOutput> outputs = run(ids);
    int first = inputs.contextStart(line);
    if (first == ids.length) {
      throw line.error("\"context\" has no tokens: give it at least one, or leave out the line");
    }
    double[] starts = softmax(outputs.get("start_logits").values(), first, ids.length - first);
    double[] ends = softmax(outputs.get("end_logits").values(), first, ids.length - first);
    int start = 0;
    int bestStart = 0;
    int bestEnd = 0;
    for (int end = 0; end < ends.length; end++) {
      start = starts[end] > starts[start] ? end : start;
      if (starts[start] * ends[end] > starts[bestStart] * ends[bestEnd]) {
        bestStart = start;
        bestEnd = end;
      }
    }
    result.put("start", first + bestStart).put("end", first + bestEnd);
    result.put("score", (float) (starts[bestStart] * ends[bestEnd]));
    if (!line.has("ids")) {
      int[] answer = Arrays.copyOfRange(ids, first + bestStart, first + bestEnd + 1);
      result.put("answer", inputs.tokenizer().decode(answer).strip());
    }
  }

  private void embedding(ObjectNode result, JsonLine line, int[] ids) {
    float[] vector = run(ids).get("embeddings").values();
    if (line.has("pair")) {
      float[] other = run(inputs.pair(line)).get("embeddings").values();
      result.put(
          "similarity",
          (float) (dot(vector, other) / Math.sqrt(dot(vector, vector) * dot(other, other))));
    }
    ArrayNode values = result.putArray("embedding");
    for (float value : vector) {
      values.add(value);
    }
  }

  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  private static double[] softmax(float[] logits, int from, int count) {
    double largest = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      largest = Math.max(largest, logits[from + i]);
    }
    double[] shares = new double[count];
    double sum = 0;
    for (int i = 0; i < count; i++) {
      shares[i] = StrictMath.exp(logits[from + i] - largest);
      sum += shares[i];
    }
    for (int i = 0; i < count; i++) {
      shares[i] /= sum;
    }
    return shares;
  }

  private static int best(double[] shares) {
    int best = 0;
    for (int i = 1; i < shares.length; i++) {
      best = shares[i] > shares[best] ? i : best;
    }
    return best;
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }
}
