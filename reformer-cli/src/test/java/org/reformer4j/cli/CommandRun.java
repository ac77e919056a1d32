package org.reformer4j.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * A command that has run in this process.
 *
 * @param code its exit code
 * @param out what it printed
 * @param err what it printed on the error stream
 */
record CommandRun(int code, String out, String err) {
  static CommandRun of(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new CommandRun(code, out.toString(), err.toString());
  }

  /** Returns the last line of the error stream. */
  String error() {
    return err.strip().substring(err.strip().lastIndexOf('\n') + 1);
  }
}
