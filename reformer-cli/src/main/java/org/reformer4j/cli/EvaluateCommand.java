package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.text.ByteTokenizer;
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
    description = "Measure a model's loss on a text: every token (byte) is predicted once.",
    footerHeading = "%nExample:%n",
    footer = "  reformer evaluate --model runs/first --text README.md")
final class EvaluateCommand implements Callable<Integer> {
  /** Bytes of a text that are turned into tokens at once. */
  private static final int MOST_TEXT = 1 << 26;

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
      description = "Tokens per window (default: all of the model's positions, at most 4096).")
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
        LanguageModel loaded = LanguageModel.load(model, backend, precision.precision())) {
      int length =
          context != null ? context : Math.min(4096, loaded.model().config().maxPositions());
      if (loaded.tokenizer() instanceof ByteTokenizer) {
        EvaluationReport report = Evaluator.evaluate(loaded.model(), corpus, length, windows);
        out.printf(
            Locale.ROOT,
            "%.4f bits per byte (%.4f nats) on %,d bytes, context %d%n",
            report.bitsPerByte(),
            report.loss(),
            report.bytes(),
            length);
      } else {
        evaluateTokens(loaded, corpus, length, out);
      }
    }
    return 0;
  }

  private void evaluateTokens(LanguageModel loaded, Corpus corpus, int length, PrintWriter out) {
    if (corpus.length() > MOST_TEXT) {
      throw new IllegalArgumentException(
          "--text has "
              + corpus.length()
              + " bytes; a text is cut into tokens as a whole, which is done for at most "
              + MOST_TEXT
              + ": give a part of it");
    }
    byte[] bytes = new byte[(int) corpus.length()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = corpus.at(i);
    }
    int[] ids = loaded.encode(bytes);
    EvaluationReport report = Evaluator.evaluate(loaded.model(), ids, length, windows);
    // Tokens stand for different numbers of bytes, so a byte's share is an average.
    double bytesPerToken = (double) bytes.length / ids.length;
    out.printf(
        Locale.ROOT,
        "%.4f bits per token (%.4f nats, perplexity %.2f) on %,d tokens, context %d;"
            + " %.4f bits per byte at %.2f bytes per token%n",
        report.loss() / Math.log(2),
        report.loss(),
        Math.exp(report.loss()),
        report.bytes(),
        length,
        report.loss() / Math.log(2) / bytesPerToken,
        bytesPerToken);
  }
}
