package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Measures a backend and a model on it. */
@Command(
    name = "benchmark",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Measure a backend: matrix products, forward passes, training steps, decoding, memory.",
      "Rates are operations counted from the shapes (docs/benchmarks.md) by the median time; the"
          + " ceiling is the best product. --out gets benchmark.json and benchmark.png."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer benchmark --seconds 60",
      "  reformer benchmark --backend reference --what forward,train --lengths 1K,2K --hashes 1"
    })
final class BenchmarkCommand implements Callable<Integer> {
  @Option(
      names = "--what",
      split = ",",
      paramLabel = "PART",
      defaultValue = "gemm,forward,train,decode,memory",
      description = "Parts to measure (default: ${DEFAULT-VALUE}).")
  private Set<BenchmarkPart> what;

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "T",
      defaultValue = "1K,4K,16K",
      description = "Tokens of a sequence; K and M are 2^10 and 2^20 (default: ${DEFAULT-VALUE}).")
  private List<String> lengths;

  @Option(
      names = "--hashes",
      split = ",",
      paramLabel = "R",
      defaultValue = "1,4",
      description = "Hash rounds (default: ${DEFAULT-VALUE}).")
  private List<Integer> hashes;

  @Option(
      names = "--batch",
      paramLabel = "B",
      defaultValue = "1",
      description = "Sequences computed at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--contexts",
      split = ",",
      paramLabel = "T",
      defaultValue = "256,1K",
      description = "Prompts of the decoding (default: ${DEFAULT-VALUE}).")
  private List<String> contexts;

  @Option(
      names = "--decode-tokens",
      paramLabel = "N",
      defaultValue = "65",
      description = "Tokens to decode, at least 2 (default: ${DEFAULT-VALUE}).")
  private int decodeTokens;

  @Option(
      names = "--depths",
      split = ",",
      paramLabel = "N",
      defaultValue = "2,6,12,24",
      description = "Layers for the memory (default: ${DEFAULT-VALUE}); at the first length.")
  private List<Integer> depths;

  @Option(
      names = "--edge",
      paramLabel = "N",
      defaultValue = "0",
      description = "Size of the square product; 0 chooses from 1024 on (default).")
  private int edge;

  @Option(
      names = "--repeats",
      paramLabel = "N",
      defaultValue = "7",
      description = "Most calls of which the median is taken (default: ${DEFAULT-VALUE}).")
  private int repeats;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      defaultValue = "300",
      description =
          "Budget: nothing is begun that will probably not end in it (default: ${DEFAULT-VALUE}).")
  private double seconds;

  @Option(
      names = "--memory-policy",
      paramLabel = "NAME",
      defaultValue = "recompute",
      description =
          "What layers keep for the backward pass, as of 'reformer train'; operations are counted, and"
              + " shares given, for the default only (default: ${DEFAULT-VALUE}).")
  private MemoryPolicy policy;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "runs/benchmark",
      description = "Folder of the results (default: ${DEFAULT-VALUE}).")
  private Path out;

  @ArgGroup(validate = false, heading = "%nModel:%n")
  private BenchmarkModel model = new BenchmarkModel();

  @Mixin private BackendMixin backends;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter result = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    List<Integer> tokens = lengths.stream().map(t -> length("--lengths", t)).sorted().toList();
    List<Integer> prompts = contexts.stream().map(t -> length("--contexts", t)).sorted().toList();
    int positions = tokens.get(tokens.size() - 1);
    if (what.contains(BenchmarkPart.DECODE)) {
      positions = Math.max(positions, prompts.get(prompts.size() - 1) + decodeTokens);
    }
    check();
    // Checked before a backend is opened, so that a mistake costs nothing.
    ReformerConfig config = model.config(model.layers, positions);
    BenchmarkTimer timer = new BenchmarkTimer(System::nanoTime, seconds, repeats);
    try (Backend backend = backends.open(err)) {
      model.precision.require(backend);
      BenchmarkReport report =
          new BenchmarkReport(
              out, result, backend, spec.commandLine().getParseResult().originalArgs());
      report.root().put("memory_policy", policy.name().toLowerCase(Locale.ROOT));
      report.line("# " + backend.name() + ": " + backend.description());
      double ceiling = products(backend, timer, report, config, tokens);
      BenchmarkPasses passes =
          new BenchmarkPasses(timer, report, new StatusLine(err, Progress.onTerminal()), ceiling);
      models(backend, passes, timer, report, config, tokens, prompts);
      report.root().put("seconds", timer.elapsed());
      report.write();
      report.line("results: " + out.resolve(BenchmarkReport.FILE));
      report.line(BenchmarkPlot.write(report.root(), out.resolve(BenchmarkPlot.FILE)));
      return report.measured() > 0 ? 0 : Main.FAILED;
    }
  }

  private void check() {
    if (!(seconds > 0) || repeats < 1 || batch < 1 || edge < 0 || decodeTokens < 2) {
      throw new IllegalArgumentException(
          "--seconds, --repeats and --batch must be positive, --edge not negative and"
              + " --decode-tokens at least 2");
    }
    if (hashes.stream().anyMatch(r -> r < 1)) {
      throw new IllegalArgumentException("--hashes must be at least 1, got " + hashes);
    }
    if (Files.exists(out) && !Files.isDirectory(out)) {
      throw new IllegalArgumentException(out + " is no folder: choose another --out");
    }
  }

  /**
   * Returns the best rate of the products; even alone, the other parts need it as their ceiling.
   */
  private double products(
      Backend backend,
      BenchmarkTimer timer,
      BenchmarkReport report,
      ReformerConfig config,
      List<Integer> tokens) {
    BenchmarkProducts products =
        new BenchmarkProducts(backend, model.precision.activations(), timer, report);
    products.peak();
    products.square(edge);
    if (what.contains(BenchmarkPart.GEMM)) {
      int d = config.hiddenSize();
      int f = config.feedForwardSize();
      for (int rows : new TreeSet<>(List.of(1024, tokens.get(tokens.size() - 1)))) {
        products.measure("projection", rows, config.allHeadSize(), d);
        products.measure("feed-forward in", rows, f, d);
        products.measure("feed-forward out", rows, d, f);
      }
    }
    return products.ceiling();
  }

  private void models(
      Backend backend,
      BenchmarkPasses passes,
      BenchmarkTimer timer,
      BenchmarkReport report,
      ReformerConfig config,
      List<Integer> tokens,
      List<Integer> prompts) {
    if (what.contains(BenchmarkPart.FORWARD)
        || what.contains(BenchmarkPart.TRAIN)
        || what.contains(BenchmarkPart.DECODE)) {
      try (ReformerModel loaded = ReformerModel.create(config, backend, model.precision, 0)) {
        if (what.contains(BenchmarkPart.FORWARD)) {
          each(tokens, (t, r) -> passes.forward(loaded, batch, t, r));
        }
        if (what.contains(BenchmarkPart.DECODE)) {
          BenchmarkDecoding decoding = new BenchmarkDecoding(timer, report);
          for (int context : prompts) {
            double flop = BenchmarkWork.of(config, context, config.numHashes()).forward();
            double expected = passes.expected(BenchmarkPart.FORWARD, flop);
            decoding.measure(loaded, context, decodeTokens, expected);
          }
        }
        // Last, as gradients and optimizer stay with the model.
        if (what.contains(BenchmarkPart.TRAIN)) {
          try (BenchmarkTraining training = new BenchmarkTraining(loaded, policy)) {
            each(tokens, (t, r) -> passes.train(loaded, training, batch, t, r));
          }
        }
      }
    }
    if (what.contains(BenchmarkPart.MEMORY)) {
      BenchmarkMemory memory = new BenchmarkMemory(backend, policy, timer, report);
      int shortest = tokens.get(0);
      for (int depth : depths) {
        ReformerConfig deep = model.config(depth, shortest);
        int rounds = hashes.get(0);
        double flop = BenchmarkWork.of(deep, shortest, rounds).trainingStep();
        memory.measure(
            deep, model.precision, shortest, rounds, passes.expected(BenchmarkPart.TRAIN, flop));
      }
    }
  }

  private interface Pass {
    void run(int length, int rounds);
  }

  private void each(List<Integer> tokens, Pass pass) {
    for (int length : tokens) {
      for (int rounds : hashes) {
        pass.run(length, rounds);
      }
    }
  }

  /** Reads a number of tokens such as 4096, 4K or 1M. */
  static int length(String option, String text) {
    String upper = text.strip().toUpperCase(Locale.ROOT);
    int shift = upper.endsWith("K") ? 10 : upper.endsWith("M") ? 20 : 0;
    String digits = shift == 0 ? upper : upper.substring(0, upper.length() - 1);
    if (digits.matches("\\d{1,9}")) {
      long value = Long.parseLong(digits) << shift;
      if (value > 0 && value <= Integer.MAX_VALUE) {
        return (int) value;
      }
    }
    throw new IllegalArgumentException(
        option + " must be numbers of tokens such as 1000, 4K or 1M, got '" + text + "'");
  }
}
