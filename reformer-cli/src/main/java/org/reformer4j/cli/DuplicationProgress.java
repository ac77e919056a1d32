package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import org.reformer4j.model.experiment.AttentionSetting;
import org.reformer4j.model.experiment.DuplicationListener;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.TrainingResult;

/** Shows a duplication experiment and puts what it finds into the report. */
final class DuplicationProgress implements DuplicationListener, AutoCloseable {
  private final Progress progress;
  private final PrintWriter err;
  private final DuplicationReport report;

  DuplicationProgress(PrintWriter err, DuplicationReport report) {
    this.progress = new Progress(err, Progress.onTerminal(), true);
    this.err = err;
    this.report = report;
  }

  @Override
  public void begins(AttentionSetting trained, long seed) {
    err.println("training with " + trained.label() + ", seed " + seed);
  }

  @Override
  public void step(StepReport step) {
    progress.step(step);
  }

  @Override
  public void evaluated(EvaluationReport evaluation) {
    progress.evaluated(evaluation);
  }

  @Override
  public void saved(long step, Path folder) {
    progress.saved(step, folder);
  }

  @Override
  public void ends(AttentionSetting trained, long seed, TrainingResult result) {
    progress.endLine();
    report.trained(trained, seed, result);
  }

  @Override
  public void measured(
      AttentionSetting trained, AttentionSetting evaluated, long seed, double accuracy) {
    err.printf(
        Locale.ROOT,
        "trained with %s, evaluated with %s: %.2f %%%n",
        trained.label(),
        evaluated.label(),
        100 * accuracy);
    report.measured();
  }

  /** Leaves a line that is being rewritten as it is. */
  void endLine() {
    progress.endLine();
  }

  @Override
  public void close() {
    progress.close();
  }
}
