package org.reformer4j.cli;

import java.util.Arrays;
import java.util.Locale;
import org.reformer4j.model.Task;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Tasks as they are typed; their full names are taken as well. */
enum TaskName {
  CLASSIFICATION(Task.SEQUENCE_CLASSIFICATION),
  TOKEN_CLASSIFICATION(Task.TOKEN_CLASSIFICATION),
  QUESTION_ANSWERING(Task.QUESTION_ANSWERING),
  EMBEDDING(Task.SENTENCE_EMBEDDING),
  LANGUAGE_MODEL(Task.LANGUAGE_MODEL);

  private final Task task;

  TaskName(Task task) {
    this.task = task;
  }

  Task task() {
    return task;
  }

  @Override
  public String toString() {
    return dashed(name());
  }

  private static String dashed(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Reads a name. */
  static final class Converter implements ITypeConverter<TaskName> {
    @Override
    public TaskName convert(String text) {
      String asked = dashed(text);
      return Arrays.stream(values())
          .filter(name -> asked.equals(name.toString()) || asked.equals(dashed(name.task.name())))
          .findFirst()
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected one of " + Arrays.toString(values()) + ", got '" + text + "'"));
    }
  }
}
