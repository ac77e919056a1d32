package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.Evaluator;
import org.reformer4j.model.train.ExampleEvaluator;
import org.reformer4j.model.train.LabelledExamples;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Measures a model on a text. */
@Command(
    name = "evaluate",
    mixinStandardHelpOptions = true,
    description = {
      "Measure a language model's loss on a text, or a model of any head on labelled examples.",
      "Of a text a causal model predicts every token (byte) once, a masked one those that are drawn"
          + " to be masked: 15 %%, of which 80 %% become the mask, 10 %% any token and 10 %% stay.",
      "Examples are those of 'reformer finetune'. Besides the loss there are scores: accuracy of"
          + " classes, exact_match of answers, and retrieval, how often the other of a pair is the"
          + " nearest one in its batch."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer evaluate --model runs/first --text README.md",
      "  reformer evaluate --model runs/classifier --examples test.jsonl"
    })
final class EvaluateCommand implements Callable<Integer> {
  /** Bytes of a text that are turned into tokens at once. */
  private static final int MOST_TEXT = 1 << 26;

  @Option(names = "--model", required = true, paramLabel = "DIR", description = "Model folder.")
  private Path model;

  @ArgGroup(multiplicity = "1")
  private Measured measured;

  private static final class Measured {
    @Option(
        names = "--text",
        arity = "1..*",
        paramLabel = "PATH",
        description = "Text files or folders.")
    private List<Path> text;

    @Option(
        names = "--examples",
        paramLabel = "FILE",
        description = "Labelled examples, a JSON object per line.")
    private Path examples;
  }

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "Tokens per window (default: all of the model's positions, at most 4096).")
  private Integer context;

  @Option(
      names = "--windows",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Measure only N evenly spread windows or examples, 0 for all (default: ${DEFAULT-VALUE}).")
  private int windows;

  @Option(
      names = "--batch",
      paramLabel = "B",
      defaultValue = "4",
      description =
          "Examples computed at once; pairs are compared within them (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--mask-token",
      paramLabel = "TOKEN",
      description = "Id or text of the mask of a masked language model (default: the tokenizer's).")
  private String mask;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of the masks (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    try (Backend backend = backends.open(spec.commandLine().getErr())) {
      if (measured.examples != null) {
        evaluateExamples(backend, out);
      } else {
        evaluateText(backend, out);
      }
    }
    return 0;
  }

  private void evaluateExamples(Backend backend, PrintWriter out) {
    try (ReformerModel loaded = ReformerModel.load(model, backend, precision.precision())) {
      ExampleInputs inputs = new ExampleInputs(model, loaded.config());
      ExampleReader reader = new ExampleReader(loaded.task(), loaded.config(), inputs);
      LabelledExamples examples = LabelledExamples.of(reader.read(measured.examples));
      EvaluationReport report = ExampleEvaluator.evaluate(loaded, examples, batch, windows);
      out.println(Progress.measured(report, examples.size()));
    }
  }

  private void evaluateText(Backend backend, PrintWriter out) {
    Corpus corpus = Corpus.open(measured.text);
    try (LanguageModel loaded =
        LanguageModel.loadCausalOrMasked(model, backend, precision.precision())) {
      int length =
          context != null ? context : Math.min(4096, loaded.model().config().maxPositions());
      if (!loaded.model().config().isDecoder()) {
        evaluateMasked(loaded, encode(loaded, corpus), length, out);
      } else if (loaded.tokenizer() instanceof ByteTokenizer) {
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
  }

  private void evaluateMasked(LanguageModel loaded, int[] ids, int length, PrintWriter out) {
    int most = loaded.model().config().maxPositions();
    if (length < 1 || length > most) {
      throw new IllegalArgumentException("--context must be in 1.." + most + ", got " + length);
    }
    int token = MaskedText.mask(mask, model, loaded.tokenizer());
    LabelledExamples masked =
        MaskedText.windows(ids, length, token, loaded.model().config().vocabSize(), seed);
    if (masked.size() == 0) {
      throw new IllegalArgumentException(
          "of the " + ids.length + " tokens of --text none was masked: give more text");
    }
    EvaluationReport report = ExampleEvaluator.evaluate(loaded.model(), masked, batch, windows);
    out.printf(
        Locale.ROOT,
        "%.4f bits per masked token (%.4f nats, perplexity %.2f) on %,d of %,d tokens, context"
            + " %d%n",
        report.loss() / Math.log(2),
        report.loss(),
        Math.exp(report.loss()),
        report.bytes(),
        ids.length,
        length);
  }

  private static int[] encode(LanguageModel loaded, Corpus corpus) {
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
    return loaded.encode(bytes);
  }

  private void evaluateTokens(LanguageModel loaded, Corpus corpus, int length, PrintWriter out) {
    int[] ids = encode(loaded, corpus);
    EvaluationReport report = Evaluator.evaluate(loaded.model(), ids, length, windows);
    // Tokens stand for different numbers of bytes, so a byte's share is an average.
    double bytesPerToken = (double) corpus.length() / ids.length;
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
