package org.reformer4j.cli;

import java.io.PrintWriter;

/** A line that is rewritten on a terminal; plain lines elsewhere. */
final class StatusLine {
  private final PrintWriter err;
  private final boolean terminal;
  private int shown;

  /**
   * Makes a display.
   *
   * @param err where to
   * @param terminal whether lines may be rewritten
   */
  StatusLine(PrintWriter err, boolean terminal) {
    this.err = err;
    this.terminal = terminal;
  }

  /** Returns whether lines are rewritten. */
  boolean rewritable() {
    return terminal;
  }

  /** Rewrites the line on a terminal, else prints one. */
  void show(String text) {
    if (!terminal) {
      err.println(text);
      return;
    }
    err.print("\r" + text + " ".repeat(Math.max(0, shown - text.length())));
    err.flush();
    shown = text.length();
  }

  /** Shows a line that stays. */
  void keep(String text) {
    show(text);
    end();
  }

  /** Leaves a line that is being rewritten as it is. */
  void end() {
    if (shown > 0) {
      err.println();
      shown = 0;
    }
  }
}
