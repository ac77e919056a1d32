package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.reformer4j.api.Backend;
import org.reformer4j.model.experiment.AccuracyTable;
import org.reformer4j.model.experiment.AttentionSetting;
import org.reformer4j.model.experiment.DuplicationExperiment;
import org.reformer4j.model.experiment.DuplicationOptions;
import org.reformer4j.model.experiment.DuplicationTask;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Table 2 of the Reformer paper. */
@Command(
    name = "duplication",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "The paper's synthetic task (section 5, Table 2): predict the second w of 0 w 0 w.",
      "Models of one layer are trained with full attention and with some numbers of hash rounds,"
          + " and each is evaluated with full attention and other numbers of rounds. A cell of the"
          + " table is the share of the second w that was predicted, in percent. --out gets"
          + " duplication.json, duplication.md, duplication.png, and a folder for each model."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer experiment duplication",
      "  reformer experiment duplication --seeds 1 --length 128 --steps 300",
      "  reformer experiment duplication --hashes 2 --evaluate-hashes 4,2 --no-full"
    })
final class DuplicationCommand implements Callable<Integer> {
  @Mixin private DuplicationSizes sizes;

  @Option(
      names = {"--hashes", "--num-hashes"},
      split = ",",
      paramLabel = "R",
      defaultValue = "4,2,1",
      description = "Hash rounds to train with, a model for each (default: ${DEFAULT-VALUE}).")
  private List<Integer> hashes;

  @Option(
      names = "--evaluate-hashes",
      split = ",",
      paramLabel = "R",
      defaultValue = "8,4,2,1",
      description = "Hash rounds to evaluate every model with (default: ${DEFAULT-VALUE}).")
  private List<Integer> evaluated;

  @Option(
      names = "--no-full",
      description = "Leave out full attention, in training and in evaluation.")
  private boolean withoutFull;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      defaultValue = "3",
      description =
          "Seeds to train with, from 0 on: cells show mean, least and greatest"
              + " (default: ${DEFAULT-VALUE}).")
  private int seeds;

  @Option(
      names = {"--out", "--output"},
      paramLabel = "DIR",
      defaultValue = "runs/duplication",
      description = "Folder of the results (default: ${DEFAULT-VALUE}).")
  private Path out;

  @Option(
      names = "--resume",
      description =
          "Go on with what --out holds: finished models are measured again, an unfinished one is"
              + " trained to its end. Give the other options as before.")
  private boolean resume;

  @Mixin private BackendMixin backends;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    List<AttentionSetting> rows = settings("--hashes", hashes);
    List<AttentionSetting> columns = settings("--evaluate-hashes", evaluated);
    DuplicationOptions options = checked(rows, columns);
    PrintWriter err = spec.commandLine().getErr();
    try (Backend backend = backends.open(err)) {
      AccuracyTable table = new AccuracyTable(rows, columns);
      DuplicationReport report =
          new DuplicationReport(
              out, options, table, backend, spec.commandLine().getParseResult().originalArgs());
      try (DuplicationProgress progress = new DuplicationProgress(err, report)) {
        DuplicationExperiment experiment =
            new DuplicationExperiment(options, backend, out, progress);
        List<Long> all = LongStream.range(0, seeds).boxed().toList();
        return InterruptGuard.run(
            () -> {
              boolean whole = experiment.run(all, rows, columns, resume, table);
              progress.endLine();
              // Within the guard: behind it an interrupted process ends without waiting.
              finish(report, whole);
              return 0;
            },
            experiment::stop);
      }
    }
  }

  private void finish(DuplicationReport report, boolean whole) {
    PrintWriter result = spec.commandLine().getOut();
    result.print(report.markdown());
    result.println(report.finish(whole));
    if (!whole) {
      spec.commandLine().getErr().println("stopped; go on with the same command and --resume");
    }
    result.flush();
  }

  /** Checks everything before a backend is opened, so that a mistake costs nothing. */
  private DuplicationOptions checked(List<AttentionSetting> rows, List<AttentionSetting> columns) {
    if (seeds < 1) {
      throw new IllegalArgumentException("--seeds must be at least 1, got " + seeds);
    }
    if (Files.exists(out) && !Files.isDirectory(out)) {
      throw new IllegalArgumentException(out + " is no folder: choose another --out");
    }
    DuplicationOptions options = sizes.options();
    options.task(0, DuplicationTask.Split.TRAINING);
    options.training(0);
    rows.forEach(options::config);
    columns.forEach(options::config);
    if (!resume && Files.exists(out.resolve(DuplicationReport.JSON_FILE))) {
      throw new IllegalArgumentException(
          out + " holds an experiment already: go on with --resume, or choose another --out");
    }
    return options;
  }

  private List<AttentionSetting> settings(String option, List<Integer> rounds) {
    if (rounds.stream().anyMatch(r -> r < 1) || new HashSet<>(rounds).size() < rounds.size()) {
      throw new IllegalArgumentException(
          option + " must be different numbers of at least 1, got " + rounds);
    }
    List<AttentionSetting> settings = new ArrayList<>();
    if (!withoutFull) {
      settings.add(AttentionSetting.FULL);
    }
    rounds.forEach(r -> settings.add(new AttentionSetting(r)));
    return settings;
  }
}
