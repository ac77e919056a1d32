package org.reformer4j.model;

import java.util.List;

/** Values that make no Reformer; the message lists all of them at once. */
public final class InvalidConfigException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final String[] problems;

  InvalidConfigException(List<String> problems) {
    super("invalid Reformer config:\n  " + String.join("\n  ", problems));
    this.problems = problems.toArray(new String[0]);
  }

  /**
   * Returns one line for each problem: the fields as in {@code config.json}, values and the fix.
   */
  public List<String> problems() {
    return List.of(problems);
  }
}
