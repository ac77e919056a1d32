package org.reformer4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.Generation;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.RecomputingDecoder;
import org.reformer4j.model.generate.SamplingOptions;
import org.reformer4j.model.text.StreamingDecoder;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Continues a text. */
@Command(
    name = "generate",
    mixinStandardHelpOptions = true,
    description = "Continue a text with a trained model, streaming it as it is chosen.",
    footerHeading = "%nExample:%n",
    footer = "  reformer generate --model runs/first --prompt \"public final class \" --seed 7")
final class GenerateCommand implements Callable<Integer> {
  @Option(names = "--model", required = true, paramLabel = "DIR", description = "Model folder.")
  private Path model;

  @ArgGroup(multiplicity = "1")
  private Prompt prompt;

  private static final class Prompt {
    @Option(names = "--prompt", paramLabel = "TEXT", description = "Text to continue.")
    private String text;

    @Option(names = "--prompt-file", paramLabel = "FILE", description = "File to continue.")
    private Path file;
  }

  @Option(
      names = "--max-new-tokens",
      paramLabel = "N",
      defaultValue = "200",
      description = "Most tokens to add (default: ${DEFAULT-VALUE}).")
  private int maxNewTokens;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      defaultValue = "0.8",
      description =
          "0 takes the likeliest token, 1 the model's own mix (default: ${DEFAULT-VALUE}).")
  private double temperature;

  @Option(
      names = "--greedy",
      description = "Always take the likeliest token; the same as --temperature 0.")
  private boolean greedy;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "0",
      description = "Choose among the K likeliest tokens, 0 for all (default: ${DEFAULT-VALUE}).")
  private int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "1",
      description =
          "Choose among the likeliest tokens that have mass P together (default: ${DEFAULT-VALUE}).")
  private double topP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      defaultValue = "1",
      description =
          "Over 1 makes tokens of the text so far less likely (default: ${DEFAULT-VALUE}).")
  private double repetitionPenalty;

  @Option(
      names = "--stop",
      paramLabel = "TOKEN",
      description =
          "End before this text of one token; a model on bytes takes one byte, such as a newline.")
  private String stop;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Equal seeds give equal texts (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--no-cache",
      description =
          "Run the whole text through the model for every token: exact for LSH layers, and slow.")
  private boolean noCache;

  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    byte[] text = promptBytes();
    SamplingOptions sampling =
        new SamplingOptions(greedy ? 0 : temperature, topK, topP, repetitionPenalty, seed);
    try (Backend backend = backends.open(err);
        LanguageModel language = LanguageModel.load(model, backend, precision.precision())) {
      ReformerModel loaded = language.model();
      GenerationOptions options =
          new GenerationOptions(maxNewTokens, sampling, stopTokens(language));
      long start = System.nanoTime();
      int[] ids = language.encode(text);
      StreamingDecoder decoder = language.tokenizer().streaming();
      for (int id : ids) {
        out.print(decoder.append(id));
      }
      Generator generator =
          noCache
              ? new Generator(() -> new RecomputingDecoder(loaded, CallOptions.EVALUATION))
              : new Generator(loaded);
      Generation generation = stream(generator, ids, options, decoder, out);
      double seconds = (System.nanoTime() - start) * 1e-9;
      err.printf(
          Locale.ROOT,
          "%d tokens, %.1f per second, ended by %s%n",
          generation.tokens().length,
          generation.tokens().length / seconds,
          generation.reason().toString().toLowerCase(Locale.ROOT).replace('_', ' '));
    }
    return 0;
  }

  /**
   * Prints a continuation as it comes, never half a character, and ends the line.
   *
   * @param decoder has seen the prompt if that was printed: it may decide about the next space
   */
  static Generation stream(
      Generator generator,
      int[] prompt,
      GenerationOptions options,
      StreamingDecoder decoder,
      PrintWriter out) {
    out.flush();
    Generation generation =
        generator.generate(
            prompt,
            options,
            token -> {
              out.print(decoder.append(token));
              out.flush();
            });
    out.println(decoder.flush());
    return generation;
  }

  private byte[] promptBytes() {
    if (prompt.text != null) {
      return prompt.text.getBytes(StandardCharsets.UTF_8);
    }
    if (!Files.isRegularFile(prompt.file)) {
      throw new IllegalArgumentException("--prompt-file " + prompt.file + " is no file");
    }
    try {
      return Files.readAllBytes(prompt.file);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read --prompt-file " + prompt.file + ": " + e, e);
    }
  }

  private Set<Integer> stopTokens(LanguageModel language) {
    Set<Integer> stops = new HashSet<>(language.ends());
    if (stop != null) {
      int[] ids = language.encode(stop.getBytes(StandardCharsets.UTF_8));
      if (ids.length != 1) {
        throw new IllegalArgumentException(
            "--stop must be one token of the model's ("
                + language.tokenizer()
                + "), got '"
                + stop
                + "', which is "
                + ids.length);
      }
      stops.add(ids[0]);
    }
    return stops;
  }
}
