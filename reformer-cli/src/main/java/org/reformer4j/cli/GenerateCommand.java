package org.reformer4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.Generation;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.RecomputingDecoder;
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
      names = "--no-cache",
      description =
          "Run the whole text through the model for every token: exact for LSH layers, and slow.")
  private boolean noCache;

  @Mixin private GenerationMixin generation;
  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    byte[] text = promptBytes();
    GenerationOptions asked = generation.options();
    try (Backend backend = backends.open(err);
        LanguageModel language = LanguageModel.load(model, backend, precision.precision())) {
      ReformerModel loaded = language.model();
      GenerationOptions options = asked.withStopTokens(language.ends());
      long start = System.nanoTime();
      int[] ids = language.encode(text);
      StringBuilder given = new StringBuilder();
      StreamingDecoder decoder = language.tokenizer().streaming();
      for (int id : ids) {
        given.append(decoder.append(id));
      }
      Generator generator =
          noCache
              ? new Generator(
                  () -> new RecomputingDecoder(loaded, CallOptions.EVALUATION),
                  language.tokenizer())
              : new Generator(loaded, language.tokenizer());
      List<Generation> texts;
      if (options.beams().numBeams() == 1 && options.numReturnSequences() == 1) {
        out.print(given);
        texts = List.of(stream(generator, ids, options, out));
      } else {
        texts = generator.generate(ids, options);
        print(given.toString(), texts, out);
      }
      report(texts, (System.nanoTime() - start) * 1e-9, err);
    }
    return 0;
  }

  /** Prints a continuation as it comes, never half a character, and ends the line. */
  static Generation stream(
      Generator generator, int[] prompt, GenerationOptions options, PrintWriter out) {
    out.flush();
    Generation text =
        generator.generateText(
            prompt,
            options,
            piece -> {
              out.print(piece);
              out.flush();
            });
    out.println();
    return text;
  }

  /** Prints whole texts, numbered where there are several. */
  private static void print(String given, List<Generation> texts, PrintWriter out) {
    for (int i = 0; i < texts.size(); i++) {
      if (i > 0) {
        out.println();
      }
      if (texts.size() > 1) {
        out.printf(Locale.ROOT, "--- text %d of %d%n", i + 1, texts.size());
      }
      out.println(given + texts.get(i).text());
    }
  }

  private static void report(List<Generation> texts, double seconds, PrintWriter err) {
    int tokens = 0;
    for (int i = 0; i < texts.size(); i++) {
      Generation text = texts.get(i);
      tokens += text.tokens().length;
      if (texts.size() > 1) {
        err.printf(
            Locale.ROOT,
            "text %d: %d tokens, score %.4f, ended by %s%n",
            i + 1,
            text.tokens().length,
            text.score(),
            words(text));
      }
    }
    String end = texts.size() > 1 ? texts.size() + " texts" : "ended by " + words(texts.get(0));
    err.printf(Locale.ROOT, "%d tokens, %.1f per second, %s%n", tokens, tokens / seconds, end);
  }

  private static String words(Generation text) {
    return text.reason().toString().toLowerCase(Locale.ROOT).replace('_', ' ');
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
}
