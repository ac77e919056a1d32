package org.reformer4j.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingResult;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** What all commands that train have in common. */
final class TrainingRun {
  private TrainingRun() {}

  /**
   * Trains to the end, or until Ctrl-C, which saves.
   *
   * @param trainers makes the trainer
   * @param resume whether to go on with what its folder holds
   * @param progress shows what happens, and is closed
   * @param resumption the command that goes on with a stopped training
   * @param err where that is said
   */
  static TrainingResult run(
      Function<TrainingListener, Trainer> trainers,
      boolean resume,
      Progress progress,
      String resumption,
      PrintWriter err) {
    try (progress;
        Trainer trainer = trainers.apply(progress)) {
      if (resume) {
        trainer.resume();
      }
      return InterruptGuard.run(
          () -> {
            TrainingResult end = trainer.run();
            if (end.stopped()) {
              // Within the guard: behind it the process ends without waiting for anything.
              progress.endLine();
              err.println(
                  "stopped after step " + end.steps() + " and saved; go on with: " + resumption);
            }
            return end;
          },
          trainer::stopAfterCurrentStep);
    }
  }

  /** Says which of the options given were saved with the training that goes on. */
  static void noteIgnored(CommandSpec spec, Set<String> used) {
    List<String> ignored =
        spec.commandLine().getParseResult().matchedOptions().stream()
            .map(OptionSpec::longestName)
            .filter(name -> !used.contains(name))
            .toList();
    if (!ignored.isEmpty()) {
      spec.commandLine()
          .getErr()
          .println(
              "--resume goes on with the saved options; ignored: " + String.join(" ", ignored));
    }
  }
}
