package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.TrainingListener;

/** Shows a training: one line that is rewritten on a terminal, plain lines elsewhere. */
final class Progress implements TrainingListener, AutoCloseable {
  private final StatusLine line;
  private final boolean examples;

  /**
   * Makes a display.
   *
   * @param err where to
   * @param terminal whether lines may be rewritten
   * @param examples whether labelled examples are learnt, whose loss is not of bytes
   */
  Progress(PrintWriter err, boolean terminal, boolean examples) {
    this.line = new StatusLine(err, terminal);
    this.examples = examples;
  }

  /** Returns whether there is a terminal that can rewrite a line. */
  static boolean onTerminal() {
    String kind = System.getenv("TERM");
    return System.console() != null && kind != null && !kind.equals("dumb");
  }

  @Override
  public void step(StepReport report) {
    line.show(format(report));
  }

  /** Fits 80 columns, as a line that a terminal wraps cannot be rewritten. */
  String format(StepReport report) {
    return String.format(
        Locale.ROOT,
        "step %d/%d  loss %.3f%s  %.0f tok/s  peak %s  left %s",
        report.step(),
        report.totalSteps(),
        report.loss(),
        examples ? "" : String.format(Locale.ROOT, "  %.3f bits/byte", report.bitsPerByte()),
        report.tokensPerSecond(),
        bytes(report.peakBytes()),
        time(report.secondsLeft()));
  }

  @Override
  public void evaluated(EvaluationReport report) {
    line.keep(
        String.format(
            Locale.ROOT,
            "step %d  held-out loss %.4f%s",
            report.step(),
            report.loss(),
            examples
                ? scores(report)
                : String.format(Locale.ROOT, "  %.4f bits/byte", report.bitsPerByte())));
  }

  /** Returns what was measured on so many examples, in words. */
  static String measured(EvaluationReport report, int examples) {
    return String.format(
        Locale.ROOT,
        "loss %.4f%s  on %,d labels of %,d examples",
        report.loss(),
        scores(report),
        report.bytes(),
        examples);
  }

  private static String scores(EvaluationReport report) {
    StringBuilder text = new StringBuilder();
    report
        .scores()
        .forEach(
            (name, value) -> text.append(String.format(Locale.ROOT, "  %s %.4f", name, value)));
    return text.toString();
  }

  @Override
  public void saved(long step, Path folder) {
    if (!line.rewritable()) {
      line.keep("step " + step + "  saved " + folder);
    }
  }

  /** Leaves a line that is being rewritten as it is. */
  void endLine() {
    line.end();
  }

  @Override
  public void close() {
    endLine();
  }

  static String bytes(long bytes) {
    return bytes < 10_000_000_000L
        ? String.format(Locale.ROOT, "%d MB", Math.round(bytes * 1e-6))
        : String.format(Locale.ROOT, "%.1f GB", bytes * 1e-9);
  }

  private static String time(double seconds) {
    long whole = Math.round(seconds);
    return whole >= 3600
        ? String.format(Locale.ROOT, "%dh%02dm", whole / 3600, whole % 3600 / 60)
        : String.format(Locale.ROOT, "%dm%02ds", whole / 60, whole % 60);
  }
}
