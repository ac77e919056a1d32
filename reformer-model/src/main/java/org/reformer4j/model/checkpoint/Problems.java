package org.reformer4j.model.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.CheckpointException;

/** Collects what is wrong with a file, so that all of it is reported in one exception. */
final class Problems {
  /** A hostile file can have millions of problems; nobody reads more than these. */
  private static final int MOST_LISTED = 50;

  private static final int LONGEST_QUOTE = 80;

  private final Path file;
  private final List<String> listed = new ArrayList<>();
  private long count;

  Problems(Path file) {
    this.file = file;
  }

  void add(String problem) {
    count++;
    if (listed.size() < MOST_LISTED) {
      listed.add(problem);
    }
  }

  boolean any() {
    return count > 0;
  }

  void throwIfAny() {
    if (any()) {
      throw exception(null);
    }
  }

  /**
   * Returns the exception that lists all problems.
   *
   * @param cause the underlying failure, or null
   */
  CheckpointException exception(Throwable cause) {
    String rest = count > listed.size() ? "\n  and " + (count - listed.size()) + " more" : "";
    return new CheckpointException(
        file + " is not usable:\n  " + String.join("\n  ", listed) + rest, cause);
  }

  /** Returns text out of a file for use in a message: short, on one line, in quotes. */
  static String quote(String text) {
    String start = text.length() > LONGEST_QUOTE ? text.substring(0, LONGEST_QUOTE) : text;
    StringBuilder quoted = new StringBuilder("'");
    start.chars().forEach(c -> quoted.append(Character.isISOControl(c) ? '?' : (char) c));
    return quoted.append(text.length() > LONGEST_QUOTE ? "...'" : "'").toString();
  }
}
