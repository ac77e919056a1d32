package org.reformer4j.cli;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.reformer4j.api.Backend;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.AtomicFiles;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Says what a fine-tuned model makes of examples. */
@Command(
    name = "predict",
    mixinStandardHelpOptions = true,
    description = {
      "Print what a fine-tuned model says about examples, a JSON object for each: the \"label\" of a"
          + " classifier, or \"labels\" where several can apply or of tokens, with scores; \"values\""
          + " of a regression; \"answer\" with its tokens \"start\" and \"end\"; \"embedding\", and the"
          + " \"similarity\" of a pair.",
      "Examples are those of 'reformer finetune', whose labels are not looked at; an \"id\" is"
          + " repeated."
    },
    footerHeading = "%nExample:%n",
    footer =
        "  reformer predict --model runs/classifier --examples new.jsonl --out predicted.jsonl")
final class PredictCommand implements Callable<Integer> {
  @Option(names = "--model", required = true, paramLabel = "DIR", description = "Model folder.")
  private Path model;

  @Option(
      names = "--examples",
      required = true,
      paramLabel = "FILE",
      description = "A JSON object per line.")
  private Path examples;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where to write; replaced if it is there (default: the standard output).")
  private Path out;

  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    if (out != null
        && examples.toAbsolutePath().normalize().equals(out.toAbsolutePath().normalize())) {
      throw new IllegalArgumentException("--out would replace --examples: choose another file");
    }
    try (Backend backend = backends.open(spec.commandLine().getErr());
        ReformerModel loaded = ReformerModel.load(model, backend, precision.precision())) {
      Predictions predictions = new Predictions(loaded, new ExampleInputs(model, loaded.config()));
      if (out == null) {
        PrintWriter printer = spec.commandLine().getOut();
        predict(predictions, printer::println);
      } else {
        write(predictions);
      }
    }
    return 0;
  }

  private void predict(Predictions predictions, Consumer<String> lines) {
    JsonLines.read(examples, line -> lines.accept(predictions.of(line).toString()));
  }

  /** A line that cannot be read leaves what stood there. */
  private void write(Predictions predictions) {
    AtomicFiles.write(
        out,
        channel -> {
          PrintWriter printer =
              new PrintWriter(
                  new BufferedWriter(Channels.newWriter(channel, StandardCharsets.UTF_8)));
          predict(predictions, line -> printer.print(line + "\n"));
          if (printer.checkError()) {
            throw new IOException("not all of it was written; the disk may be full");
          }
        });
  }
}
