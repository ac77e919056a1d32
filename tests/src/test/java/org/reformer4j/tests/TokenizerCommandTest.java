package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.Backend;
import org.reformer4j.cli.Main;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.Generation;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.SamplingOptions;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.text.Tokenizers;
import org.reformer4j.model.train.Evaluator;

/** The commands on a model whose folder has a tokenizer, as downloaded checkpoints do. */
class TokenizerCommandTest {
  private static final String PROMPT = "the king";

  @TempDir private Path folder;
  private Path model;

  @BeforeEach
  void save() throws IOException {
    model = folder.resolve("model");
    ReformerConfig config = TinyTraining.builder().vocabSize(320).initializerRange(0.5).build();
    try (Backend backend = TestBackends.reference();
        ReformerModel fresh = ReformerModel.create(config, backend, 5)) {
      fresh.save(model);
    }
    try (InputStream file =
        TokenizerCommandTest.class.getResourceAsStream("/tokenizer/spiece.model")) {
      Files.copy(file, model.resolve("spiece.model"));
    }
  }

  private record Result(int code, String out, String err) {}

  private static Result run(Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.run(
            new PrintWriter(out, true),
            new PrintWriter(err, true),
            Arrays.stream(args).map(Object::toString).toArray(String[]::new));
    return new Result(code, out.toString(), err.toString());
  }

  private static String succeed(Object... args) {
    Result result = run(args);
    assertEquals(0, result.code(), result.err());
    return result.out();
  }

  private Generation generated(Tokenizer tokenizer, GenerationOptions options) {
    try (Backend backend = TestBackends.reference();
        ReformerModel loaded = ReformerModel.load(model, backend)) {
      return new Generator(loaded).generate(tokenizer.encode(PROMPT), options, token -> {});
    }
  }

  @Test
  void generationGoesOnWithTheSpacesOfThePrompt() {
    Tokenizer tokenizer = Tokenizers.load(model);
    int[] prompt = tokenizer.encode(PROMPT);
    int[] tokens = generated(tokenizer, GenerationOptions.of(30, SamplingOptions.GREEDY)).tokens();
    int[] all = Arrays.copyOf(prompt, prompt.length + tokens.length);
    System.arraycopy(tokens, 0, all, prompt.length, tokens.length);
    String out =
        succeed(
            "generate", "--model", model, "--prompt", PROMPT, "--max-new-tokens", 30, "--greedy");
    assertEquals(tokenizer.decode(all) + System.lineSeparator(), out);
    assertTrue(out.startsWith(PROMPT), out);
  }

  @Test
  void generationEndsAtTheTokenizersEnd() {
    Tokenizer tokenizer = Tokenizers.load(model);
    int end = tokenizer.endOfText().orElseThrow();
    // Over 300 tokens an untrained model chooses each of 320 about once; one seed is enough.
    int[] tokens = {};
    long seed = 0;
    while (Arrays.stream(tokens).noneMatch(token -> token == end)) {
      SamplingOptions sampling = new SamplingOptions(5, 0, 1, 1, ++seed);
      tokens = generated(tokenizer, GenerationOptions.of(40, sampling)).tokens();
      assertTrue(seed < 200, "no seed gives the end");
    }
    Result result =
        run(
            "generate",
            "--model",
            model,
            "--prompt",
            PROMPT,
            "--max-new-tokens",
            40,
            "--temperature",
            5,
            "--seed",
            seed);
    assertTrue(result.err().contains("ended by stop token"), result.err());
  }

  @Test
  void evaluationCountsTokensAndBytes() throws IOException {
    String text = "the king and the queen are here today and there tomorrow ".repeat(3).trim();
    Path file = Files.writeString(folder.resolve("text"), text);
    int[] ids = Tokenizers.load(model).encode(text);
    double loss;
    try (Backend backend = TestBackends.reference();
        ReformerModel loaded = ReformerModel.load(model, backend)) {
      loss = Evaluator.evaluate(loaded, ids, 32, 0).loss();
    }
    String out = succeed("evaluate", "--model", model, "--text", file, "--context", 32);
    assertTrue(out.contains(String.format(Locale.ROOT, "(%.4f nats", loss)), out);
    assertTrue(out.contains("on " + (ids.length - 1) + " tokens, context 32"), out);
    Matcher share = Pattern.compile("; ([0-9.]+) bits per byte").matcher(out);
    assertTrue(share.find(), out);
    assertEquals(
        loss / Math.log(2) * ids.length / text.length(), Double.parseDouble(share.group(1)), 1e-4);
  }

  @Test
  void idsAreEvaluatedAsBytesAre() throws IOException {
    ReformerConfig config = TinyTraining.builder().initializerRange(0.5).build();
    try (Backend backend = TestBackends.reference();
        ReformerModel bytes = ReformerModel.create(config, backend, 5)) {
      byte[] text = "held-out text: ".repeat(9).getBytes(StandardCharsets.UTF_8);
      assertEquals(
          Evaluator.evaluate(bytes, Corpus.of(text), 32, 0),
          Evaluator.evaluate(bytes, new ByteTokenizer().encode(text), 32, 0));
    }
  }

  @Test
  void inspectNamesTheTokenizer() throws IOException {
    String out = succeed("inspect", model);
    assertTrue(
        out.contains("tokenizer   spiece.model: SentencePiece bpe, 320 ids, end of text 2"), out);
    assertTrue(out.contains("lacks       nothing"), out);
    Files.write(model.resolve("spiece.model"), new byte[] {1, 2, 3});
    String damaged = succeed("inspect", model);
    assertTrue(damaged.contains("tokenizer   spiece.model: cannot be used"), damaged);
    assertTrue(damaged.contains("is no SentencePiece model"), damaged);
    Files.delete(model.resolve("spiece.model"));
    String none = succeed("inspect", model);
    assertTrue(none.contains("tokenizer   none: no tokenizer.json, no spiece.model"), none);
  }

  @Test
  void convertedFolderGeneratesTheSame() throws IOException {
    Path target = folder.resolve("converted");
    succeed("convert", model, target);
    assertArrayEquals(
        Files.readAllBytes(model.resolve("spiece.model")),
        Files.readAllBytes(target.resolve("spiece.model")));
    assertEquals(
        succeed("generate", "--model", model, "--prompt", PROMPT, "--max-new-tokens", 5),
        succeed("generate", "--model", target, "--prompt", PROMPT, "--max-new-tokens", 5));
  }

  @Test
  void missingTokenizerIsSaid() throws IOException {
    Files.delete(model.resolve("spiece.model"));
    Result result = run("generate", "--model", model, "--prompt", PROMPT);
    assertTrue(result.code() != 0);
    assertTrue(result.err().contains("vocab_size 320 is not the 258 of bytes"), result.err());
  }

  @Test
  void textEndsBeforeStopOfSeveralTokens() {
    Tokenizer tokenizer = Tokenizers.load(model);
    String[] command = {
      "generate", "--model", model.toString(), "--prompt", PROMPT, "--max-new-tokens", "30"
    };
    List<Object> arguments = new ArrayList<>(List.of(command));
    String whole = succeed(arguments.toArray());
    // Long enough for several tokens, and not at a border of words.
    String stop = whole.substring(PROMPT.length() + 11, PROMPT.length() + 19);
    assertTrue(tokenizer.encode(stop).length > 1, stop);
    arguments.addAll(List.of("--stop", stop));
    String expected = PROMPT + whole.substring(PROMPT.length()).split(Pattern.quote(stop))[0];
    assertEquals(expected + System.lineSeparator(), succeed(arguments.toArray()));
  }
}
