package org.reformer4j.model;

import java.util.Arrays;

/** Loss of a classification head, under the names of Hugging Face's {@code problem_type}. */
public enum ProblemType {
  /** Mean squared error. */
  REGRESSION("regression"),
  /** Cross-entropy over the labels. */
  SINGLE_LABEL_CLASSIFICATION("single_label_classification"),
  /** Binary cross-entropy of each label. */
  MULTI_LABEL_CLASSIFICATION("multi_label_classification");

  private final String configName;

  ProblemType(String configName) {
    this.configName = configName;
  }

  /** Returns the name used in {@code config.json}. */
  public String configName() {
    return configName;
  }

  /**
   * Returns the problem type of that name.
   *
   * @param name value of {@code problem_type}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static ProblemType fromConfigName(String name) {
    for (ProblemType type : values()) {
      if (type.configName.equals(name)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "problem_type '"
            + name
            + "' is not supported; use one of "
            + Arrays.stream(values()).map(ProblemType::configName).toList());
  }
}
