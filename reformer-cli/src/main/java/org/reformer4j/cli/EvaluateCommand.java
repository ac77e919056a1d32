package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.Evaluator;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Measures a model on a text. */
@Command(
    name = "evaluate",
    mixinStandardHelpOptions = true,
    description = "Measure a model's loss on a text: every byte is predicted once.",
    footerHeading = "%nExample:%n",
    footer = "  reformer evaluate --model runs/first --text README.md")
final class EvaluateCommand implements Callable<Integer> {
  @Option(names = "--model", required = true, paramLabel = "DIR", description = "Model folder.")
  private Path model;

  @Option(
      names = "--text",
      required = true,
      arity = "1..*",
      paramLabel = "PATH",
      description = "Text files or folders.")
  private List<Path> text;

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "Bytes per window (default: all of the model's positions, at most 4096).")
  private Integer context;

  @Option(
      names = "--windows",
      paramLabel = "N",
      defaultValue = "0",
      description = "Measure only N evenly spread windows, 0 for all (default: ${DEFAULT-VALUE}).")
  private int windows;

  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Corpus corpus = Corpus.open(text);
    try (Backend backend = backends.open(spec.commandLine().getErr());
        ReformerModel loaded = ByteModel.load(model, backend, precision.precision())) {
      int length = context != null ? context : Math.min(4096, loaded.config().maxPositions());
      EvaluationReport report = Evaluator.evaluate(loaded, corpus, length, windows);
      out.printf(
          Locale.ROOT,
          "%.4f bits per byte (%.4f nats) on %,d bytes, context %d%n",
          report.bitsPerByte(),
          report.loss(),
          report.bytes(),
          length);
    }
    return 0;
  }
}
