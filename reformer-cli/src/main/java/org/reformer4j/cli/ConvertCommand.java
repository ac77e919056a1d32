package org.reformer4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.reformer4j.model.checkpoint.ModelConversion;
import org.reformer4j.model.checkpoint.WeightType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Rewrites a model folder. */
@Command(
    name = "convert",
    mixinStandardHelpOptions = true,
    description = {
      "Write a model as Hugging Face's save_pretrained does, from any format that is read:"
          + " model.safetensors or pytorch_model.bin, in one file or several.",
      "Nothing of a pytorch_model.bin is run; one that holds anything but tensors is refused.",
      "Tokenizer files and generation_config.json come along."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer convert downloaded/reformer-enwik8 models/enwik8",
      "  reformer convert runs/book small --dtype bfloat16 --max-shard-size 500MB"
    })
final class ConvertCommand implements Callable<Integer> {
  /** Formats that are written. */
  enum Format {
    SAFETENSORS
  }

  @Parameters(index = "0", paramLabel = "IN", description = "Model folder to read.")
  private Path in;

  @Parameters(
      index = "1",
      paramLabel = "OUT",
      description = "Folder to write; must hold no model yet.")
  private Path out;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description =
          "Round the parameters to float32, float16 or bfloat16 (default: the type they have, or"
              + " float32 if they have several).")
  private WeightType type;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "safetensors",
      description = "Only safetensors so far (default: ${DEFAULT-VALUE}).")
  private Format format;

  @Option(
      names = "--max-shard-size",
      paramLabel = "SIZE",
      converter = ByteSize.class,
      defaultValue = "5GB",
      description =
          "Split the parameters into files of at most this, such as 500MB or 2GiB"
              + " (default: ${DEFAULT-VALUE}).")
  private long mostBytes;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    if (mostBytes < 1) {
      throw new IllegalArgumentException("--max-shard-size must be at least 1B");
    }
    PrintWriter printer = spec.commandLine().getOut();
    List<String> written = ModelConversion.convert(in, out, Optional.ofNullable(type), mostBytes);
    for (String name : written) {
      Path file = out.resolve(name);
      printer.println(file + "  " + ByteSize.text(Files.size(file)));
    }
    printer.println(
        "written as " + format.name().toLowerCase(Locale.ROOT) + "; see 'reformer inspect'");
    return 0;
  }
}
