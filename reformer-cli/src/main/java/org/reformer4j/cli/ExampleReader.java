package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.Task;
import org.reformer4j.model.train.Example;

/** Turns the lines of a file into labelled examples of a task. */
final class ExampleReader {
  private static final int MOST_NAMED = 20;

  private final Task task;
  private final ReformerConfig config;
  private final ExampleInputs inputs;
  private final Map<String, Integer> classes;

  /**
   * Reads for a model.
   *
   * @param task its task
   * @param config its config, which names the classes
   * @param inputs how its texts become ids
   * @throws IllegalArgumentException if there are no labels for such a model
   */
  ExampleReader(Task task, ReformerConfig config, ExampleInputs inputs) {
    if (task == Task.BASE) {
      throw new IllegalArgumentException(
          "the model has no head that labels could be compared with: give it one with"
              + " 'reformer finetune'");
    }
    this.task = task;
    this.config = config;
    this.inputs = inputs;
    this.classes = config.label2id();
  }

  /**
   * Reads a file.
   *
   * @throws IllegalArgumentException if a line is no example of the task, or there is none; the
   *     message names the line
   */
  List<Example> read(Path file) {
    List<Example> examples = new ArrayList<>();
    JsonLines.read(file, line -> examples.add(example(line)));
    if (examples.isEmpty()) {
      throw new IllegalArgumentException(
          file + " holds no examples: give a file with a JSON object per line");
    }
    return examples;
  }

  private Example example(JsonLine line) {
    int[] ids = inputs.ids(line);
    return switch (task) {
      case SEQUENCE_CLASSIFICATION -> sequence(line, ids);
      case TOKEN_CLASSIFICATION -> Example.ofTokens(ids, tokens(line, ids.length));
      case QUESTION_ANSWERING -> answer(line, ids);
      case SENTENCE_EMBEDDING -> Example.ofPair(ids, inputs.pair(line));
      case LANGUAGE_MODEL -> Example.ofTokens(ids, targets(line, ids));
      case BASE -> throw new IllegalStateException("refused before");
    };
  }

  private Example sequence(JsonLine line, int[] ids) {
    JsonNode label = line.get("label");
    ProblemType problem =
        config
            .problemType()
            .orElse(
                classes.size() == 1
                    ? ProblemType.REGRESSION
                    : label.isArray()
                        ? ProblemType.MULTI_LABEL_CLASSIFICATION
                        : ProblemType.SINGLE_LABEL_CLASSIFICATION);
    return switch (problem) {
      case SINGLE_LABEL_CLASSIFICATION -> Example.ofClass(ids, number(line, label));
      case MULTI_LABEL_CLASSIFICATION -> Example.ofValues(ids, members(line));
      case REGRESSION -> Example.ofValues(ids, values(line, label));
    };
  }

  /** Returns 1 for each class that is named, or that has a 1 in a list of as many as classes. */
  private float[] members(JsonLine line) {
    JsonNode list = line.list("label");
    if (!list.isEmpty() && list.get(0).isNumber()) {
      float[] values = values(line, list);
      for (float value : values) {
        if (value != 0 && value != 1) {
          throw line.error(
              "\"label\" must have 0 or 1 for each class, or the names of those that the example"
                  + " belongs to; found "
                  + JsonLine.quote(list));
        }
      }
      return values;
    }
    float[] members = new float[classes.size()];
    for (JsonNode name : list) {
      members[number(line, name)] = 1;
    }
    return members;
  }

  private float[] values(JsonLine line, JsonNode label) {
    float[] values = new float[label.isArray() ? label.size() : 1];
    if (values.length != classes.size()) {
      throw line.error(
          "\"label\" must have "
              + classes.size()
              + " numbers, one for each of the model's labels, found "
              + values.length);
    }
    for (int i = 0; i < values.length; i++) {
      JsonNode value = label.isArray() ? label.get(i) : label;
      values[i] = value.isNumber() ? value.floatValue() : Float.NaN;
      if (!Float.isFinite(values[i])) {
        throw line.error("\"label\" must have numbers, found " + JsonLine.quote(value));
      }
    }
    return values;
  }

  private int[] tokens(JsonLine line, int count) {
    JsonNode labels = perToken(line, count);
    int[] targets = new int[count];
    for (int i = 0; i < count; i++) {
      targets[i] = isIgnored(labels.get(i)) ? Batch.IGNORE : number(line, labels.get(i));
    }
    return targets;
  }

  private JsonNode perToken(JsonLine line, int count) {
    JsonNode labels = line.list("labels");
    if (labels.size() != count) {
      throw line.error(
          "\"labels\" must have one for each of the "
              + count
              + " tokens, null where none counts; found "
              + labels.size());
    }
    return labels;
  }

  /** Returns what a language model should say; a causal one, where nothing is said, the ids. */
  private int[] targets(JsonLine line, int[] ids) {
    if (!line.has("labels") && config.isDecoder()) {
      return ids;
    }
    if (!line.has("labels")) {
      throw line.error(
          "a masked language model needs \"labels\": the token under each mask, null elsewhere");
    }
    JsonNode labels = perToken(line, ids.length);
    int[] targets = new int[ids.length];
    for (int i = 0; i < targets.length; i++) {
      JsonNode label = labels.get(i);
      boolean ignored = isIgnored(label);
      targets[i] = ignored ? Batch.IGNORE : label.isInt() ? label.intValue() : -1;
      if (!ignored && (targets[i] < 0 || targets[i] >= config.vocabSize())) {
        throw line.error(
            "\"labels\" must have token ids in 0.."
                + (config.vocabSize() - 1)
                + ", found "
                + JsonLine.quote(label));
      }
    }
    return targets;
  }

  private static boolean isIgnored(JsonNode label) {
    return label.isNull() || label.isInt() && label.intValue() == Batch.IGNORE;
  }

  private Example answer(JsonLine line, int[] ids) {
    int start;
    int end;
    if (line.has("start") || line.has("end")) {
      start = line.integer("start");
      end = line.integer("end");
    } else if (inputs.isQuestion(line)) {
      int before = inputs.contextStart(line);
      AnswerSpan span = AnswerSpan.of(line, inputs.tokenizer());
      start = before + span.start();
      end = before + span.end();
    } else {
      throw line.error(
          "needs \"start\" and \"end\", the first and last token of the answer; or \"question\","
              + " \"context\", \"answer\" and \"answer_start\"");
    }
    if (start < 0 || end < start || end >= ids.length) {
      throw line.error(
          "the answer's tokens "
              + start
              + ".."
              + end
              + " are not in order within 0.."
              + (ids.length - 1));
    }
    return Example.ofAnswer(ids, start, end);
  }

  private int number(JsonLine line, JsonNode label) {
    Integer number = null;
    if (label.isTextual()) {
      number = classes.get(label.textValue());
    } else if (label.isInt() && label.intValue() >= 0 && label.intValue() < classes.size()) {
      number = label.intValue();
    }
    if (number == null) {
      throw line.error(
          "the label "
              + JsonLine.quote(label)
              + " is none of the model's: use its number in 0.."
              + (classes.size() - 1)
              + " or its name, "
              + names(config));
    }
    return number;
  }

  /** Returns the names of the classes, not all of many. */
  static String names(ReformerConfig config) {
    String first = config.labels().stream().limit(MOST_NAMED).collect(Collectors.joining(", "));
    int more = config.numLabels() - MOST_NAMED;
    return more > 0 ? String.format(Locale.ROOT, "%s, and %,d more", first, more) : first;
  }
}
