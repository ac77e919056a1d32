package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.Task;

/** What labels a file has, for a new head to have the same. */
final class LabelSurvey {
  /** A larger number is hardly that of a class. */
  private static final int MOST_CLASSES = 100_000;

  private final SortedSet<String> names = new TreeSet<>();
  private int largest = -1;
  private int longestList;
  private boolean onlyClasses = true;
  private boolean onlyZeroAndOne = true;

  private LabelSurvey() {}

  /**
   * Returns the config of a new head: classes and kind of loss are those asked for, else those of
   * the labels. Names are in alphabetical order. A list of names, or of 0 and 1, makes several
   * classes for each sequence, other lists and fractions a regression.
   *
   * @param config of the model
   * @param task of the head; config is returned as it is where it has no classes
   * @param file of the examples
   * @param labels names of the classes asked for, or null
   * @param problem kind of loss asked for, or null
   * @param hasHead whether the model has such a head already, whose classes then stay
   * @throws IllegalArgumentException if that cannot be told from the labels
   */
  static ReformerConfig config(
      ReformerConfig config,
      Task task,
      Path file,
      List<String> labels,
      ProblemType problem,
      boolean hasHead) {
    boolean sequence = task == Task.SEQUENCE_CLASSIFICATION;
    if (!sequence && task != Task.TOKEN_CLASSIFICATION) {
      if (labels != null || problem != null) {
        throw new IllegalArgumentException(
            "--labels and --problem-type are for classification: leave them out");
      }
      return config;
    }
    if (!sequence && problem != null) {
      throw new IllegalArgumentException(
          "--problem-type is for classes of sequences; tokens have one class each: leave it out");
    }
    LabelSurvey survey = new LabelSurvey();
    JsonLines.read(file, line -> survey.add(line, line.get(sequence ? "label" : "labels")));
    Optional<ProblemType> kind = sequence ? Optional.ofNullable(problem) : config.problemType();
    if (sequence && kind.isEmpty()) {
      kind = hasHead ? config.problemType() : Optional.of(survey.problem());
    }
    List<String> classes = labels == null && hasHead ? config.labels() : labels;
    if (classes == null) {
      classes =
          survey.classes(
              file, sequence ? kind.orElseThrow() : ProblemType.SINGLE_LABEL_CLASSIFICATION);
    }
    return config.toBuilder().labels(classes).problemType(kind).build();
  }

  private void add(JsonLine line, JsonNode label) {
    if (label.isArray()) {
      longestList = Math.max(longestList, label.size());
      label.forEach(one -> addOne(line, one));
    } else {
      addOne(line, label);
    }
  }

  private void addOne(JsonLine line, JsonNode label) {
    if (label.isTextual()) {
      names.add(label.textValue());
    } else if (label.isNumber()) {
      onlyClasses &= label.isInt() && label.intValue() >= 0;
      onlyZeroAndOne &= label.doubleValue() == 0 || label.doubleValue() == 1;
      largest = Math.max(largest, label.isInt() ? label.intValue() : -1);
    } else if (!label.isNull()) {
      throw line.error("a label must be a name or a number, found " + JsonLine.quote(label));
    }
  }

  private ProblemType problem() {
    if (longestList > 0) {
      return names.isEmpty() && !onlyZeroAndOne
          ? ProblemType.REGRESSION
          : ProblemType.MULTI_LABEL_CLASSIFICATION;
    }
    return names.isEmpty() && !onlyClasses
        ? ProblemType.REGRESSION
        : ProblemType.SINGLE_LABEL_CLASSIFICATION;
  }

  private List<String> classes(Path file, ProblemType kind) {
    if (kind == ProblemType.REGRESSION) {
      return numbered(Math.max(1, longestList));
    }
    if (!names.isEmpty()) {
      return several(file, new ArrayList<>(names));
    }
    if (kind == ProblemType.MULTI_LABEL_CLASSIFICATION) {
      return numbered(Math.max(1, longestList));
    }
    if (largest >= MOST_CLASSES) {
      throw new IllegalArgumentException(
          file
              + " has the label "
              + largest
              + ": number the classes from 0, or say --problem-type regression");
    }
    return several(file, numbered(largest + 1));
  }

  private static List<String> several(Path file, List<String> classes) {
    if (classes.size() < 2) {
      throw new IllegalArgumentException(
          file
              + " has the labels "
              + classes
              + ", of which there is nothing to learn: give examples of at least two classes, or name"
              + " all with --labels");
    }
    return classes;
  }

  private static List<String> numbered(int count) {
    return IntStream.range(0, count).mapToObj(id -> "LABEL_" + id).toList();
  }
}
