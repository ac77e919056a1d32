package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.Backend;
import org.reformer4j.cli.Main;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.generate.CachedDecoder;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.RecomputingDecoder;
import org.reformer4j.model.generate.SamplingOptions;
import org.reformer4j.model.text.ByteTokenizer;

/** The commands end to end, as a user types them. */
class CommandLineTest {
  private static final List<String> TINY =
      List.of(
          "--layers",
          "local,lsh",
          "--hidden",
          "16",
          "--heads",
          "2",
          "--context",
          "32",
          "--chunk",
          "8",
          "--local-chunk",
          "8",
          "--batch",
          "2",
          "--log-every",
          "2",
          "--threads",
          "2",
          "--backend",
          "reference");

  @TempDir static Path folder;
  private static Path text;
  private static Path model;

  private record Result(int code, String out, String err) {}

  private static Result run(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), args);
    return new Result(code, out.toString(), err.toString());
  }

  private static Result train(Path out, String... more) {
    List<String> args = new ArrayList<>(List.of("train", "--out", out.toString()));
    args.addAll(TINY);
    args.addAll(List.of(more));
    return run(args.toArray(String[]::new));
  }

  @BeforeAll
  static void trainOnce() throws IOException {
    text = folder.resolve("text.txt");
    Files.writeString(text, "the quick brown fox jumps over the lazy dog\n".repeat(60));
    model = folder.resolve("model");
    Result result = train(model, "--text", text.toString(), "--steps", "6");
    assertEquals(0, result.code(), result.err());
    assertTrue(result.out().contains("bits per byte"), result.out());
    assertTrue(result.out().contains("next: ./reformer generate --model"), result.out());
    assertTrue(result.err().contains("step 6/6"), result.err());
  }

  @Test
  void trainingLeavesItsFiles() throws IOException {
    for (String name :
        List.of("model.safetensors", "config.json", "metrics.jsonl", "training.safetensors")) {
      assertTrue(Files.size(model.resolve(name)) > 0, name);
    }
    assertTrue(ImageIO.read(model.resolve("loss.png").toFile()).getWidth() > 300);
    assertEquals(4, Files.readAllLines(model.resolve("metrics.jsonl")).size(), "3 steps, 1 test");
  }

  @Test
  void generationRepeatsWithItsSeed() {
    String[] args = {
      "generate",
      "--model",
      model.toString(),
      "--prompt",
      "the q",
      "--max-new-tokens",
      "12",
      "--seed",
      "3"
    };
    Result first = run(args);
    assertEquals(0, first.code(), first.err());
    assertTrue(first.out().startsWith("the q"), first.out());
    assertTrue(first.err().contains("12 tokens"), first.err());
    assertEquals(first.out(), run(args).out());
    args[8] = "4";
    assertFalse(first.out().equals(run(args).out()), "another seed");
  }

  @Test
  void generationWithoutCacheTakesTheExactWay() {
    List<String> args =
        List.of(
            "generate",
            "--model",
            model.toString(),
            "--prompt",
            "the quick brown",
            "--max-new-tokens",
            "12",
            "--greedy");
    Result cached = run(args.toArray(String[]::new));
    List<String> more = new ArrayList<>(args);
    more.add("--no-cache");
    Result exact = run(more.toArray(String[]::new));
    assertEquals(0, exact.code(), exact.err());
    int[] prompt = new ByteTokenizer().encode("the quick brown");
    try (Backend backend = TestBackends.reference();
        ReformerModel loaded = ReformerModel.load(model, backend)) {
      GenerationOptions options = GenerationOptions.of(12, SamplingOptions.GREEDY);
      CallOptions call = CallOptions.EVALUATION;
      assertEquals(
          "the quick brown"
              + text(new Generator(() -> new CachedDecoder(loaded, call)), prompt, options),
          cached.out().stripTrailing());
      assertEquals(
          "the quick brown"
              + text(new Generator(() -> new RecomputingDecoder(loaded, call)), prompt, options),
          exact.out().stripTrailing());
    }
  }

  private static Result generate(String... more) {
    List<String> args = new ArrayList<>(List.of("generate", "--model", model.toString()));
    args.addAll(List.of("--prompt", "the q", "--max-new-tokens", "12"));
    args.addAll(List.of(more));
    Result result = run(args.toArray(String[]::new));
    assertEquals(0, result.code(), result.err());
    return result;
  }

  @Test
  void severalTextsAreNumbered() {
    Result three = generate("--num-sequences", "3", "--seed", "3");
    String[] texts = three.out().split("(?m)^--- text \\d of 3\\R");
    assertEquals(4, texts.length, three.out());
    assertEquals(generate("--seed", "3").out().strip(), texts[1].strip(), "the first is the one");
    assertFalse(texts[1].strip().equals(texts[2].strip()));
    assertTrue(three.err().contains("text 3: "), three.err());
    assertTrue(three.err().contains("3 texts"), three.err());
  }

  @Test
  void beamsGiveTheirBestTexts() {
    Result one = generate("--num-beams", "3", "--no-repeat-ngram-size", "2");
    assertTrue(one.out().startsWith("the q"), one.out());
    Result two =
        generate("--num-beams", "3", "--no-repeat-ngram-size", "2", "--num-sequences", "2");
    assertTrue(two.out().contains("--- text 2 of 2"), two.out());
    assertEquals(one.out().strip(), two.out().split("--- text \\d of 2")[1].strip());
    assertTrue(two.err().matches("(?s).*text 1: \\d+ tokens, score -\\d\\.\\d{4}, ended by .*"));
    assertEquals(generate("--greedy").out(), generate("--num-beams", "1", "--greedy").out());
  }

  @Test
  void textsEndBeforeStopStrings() {
    String whole = generate("--greedy").out().strip().substring("the q".length());
    assertTrue(whole.length() >= 4, whole);
    String stop = whole.substring(2, 4);
    Result stopped = generate("--greedy", "--stop", "nothing such", "--stop", stop);
    String expected = "the q" + whole.substring(0, whole.indexOf(stop));
    assertEquals(expected.strip(), stopped.out().strip());
    assertTrue(stopped.err().contains("ended by stop string"), stopped.err());
  }

  private static String text(Generator generator, int[] prompt, GenerationOptions options) {
    int[] tokens = generator.generate(prompt, options, token -> {}).tokens();
    return new ByteTokenizer().decode(tokens).stripTrailing();
  }

  @Test
  void inferenceDecodesWithCache() {
    Path golden = Golden.root().resolve("cached-decoding-h2");
    Path outputs = folder.resolve("decoded.safetensors");
    String[] args = {
      "infer",
      "--model",
      golden.toString(),
      "--inputs",
      golden.resolve("io.safetensors").toString(),
      "--outputs",
      outputs.toString(),
      "--new-tokens",
      "40"
    };
    Result result = run(args);
    assertEquals(0, result.code(), result.err());
    assertTrue(result.out().contains("cached.tokens [1, 40]"), result.out());
    SafeTensors io = Golden.io("cached-decoding-h2");
    SafeTensors actual = SafeTensors.open(outputs);
    assertArrayEquals(io.longs("expected.cached.tokens"), actual.longs("cached.tokens"));
    for (String name : List.of("cached.prompt_logits", "cached.logits")) {
      double[] expected = io.doubles("expected64." + name);
      Golden.assertClose(name, expected, actual.floats(name), Tolerances.CACHED_LOGITS, null);
      assertEquals(io.entry("expected64." + name).shape(), actual.entry(name).shape());
    }
    args[8] = "0";
    mistake("--new-tokens", run(args));
  }

  @Test
  void evaluationPrintsBitsPerByte() {
    Result result = run("evaluate", "--model", model.toString(), "--text", text.toString());
    assertEquals(0, result.code(), result.err());
    assertTrue(result.out().matches("(?s)\\d\\.\\d{4} bits per byte .*"), result.out());
  }

  @Test
  void inferenceGivesTheNumbersOfHuggingFace() {
    Path golden = Golden.root().resolve("causal-lm");
    Path outputs = folder.resolve("out.safetensors");
    Result result =
        run(
            "infer",
            "--model",
            golden.toString(),
            "--inputs",
            golden.resolve("io.safetensors").toString(),
            "--outputs",
            outputs.toString(),
            "--gradients");
    assertEquals(0, result.code(), result.err());
    SafeTensors io = Golden.io("causal-lm");
    SafeTensors actual = SafeTensors.open(outputs);
    Golden.assertClose(
        "logits", io.doubles("expected64.logits"), actual.floats("logits"), 2e-5, null);
    assertArrayEquals(io.longs("buckets.1"), actual.longs("buckets.1"));
    Golden.assertGradient(
        "grad.lm_head.bias", io.doubles("grad64.lm_head.bias"), actual.floats("grad.lm_head.bias"));
    assertEquals(0, actual.entry("loss").shape().rank());
  }

  private Result infer(String golden, Path outputs, String... more) {
    Path from = Golden.root().resolve(golden);
    List<String> args = new ArrayList<>(List.of("infer", "--model", from.toString()));
    args.addAll(List.of("--inputs", from.resolve("io.safetensors").toString()));
    args.addAll(List.of("--outputs", outputs.toString()));
    args.addAll(List.of(more));
    return run(args.toArray(String[]::new));
  }

  @Test
  void inferenceCoversAllHeads() {
    for (String name : Golden.cases("sequence-classification", "question-answering", "masked-lm")) {
      Path outputs = folder.resolve(name + ".safetensors");
      Result result = infer(name, outputs, "--gradients", "--pooling", "mean");
      assertEquals(0, result.code(), result.err());
      SafeTensors io = Golden.io(name);
      SafeTensors actual = SafeTensors.open(outputs);
      int compared = 0;
      for (String expected : io.names()) {
        String output = expected.replaceFirst("expected64\\.", "");
        if (expected.startsWith("grad64.")) {
          String parameter = "grad." + expected.substring("grad64.".length());
          assertEquals(io.entry(expected).shape(), actual.entry(parameter).shape());
        } else if (expected.startsWith("expected64.") && !output.startsWith("layer_input")) {
          assertEquals(io.entry(expected).shape(), actual.entry(output).shape(), output);
          int[] positions = io.contains("compare.positions") ? io.ints("compare.positions") : null;
          Golden.assertClose(
              output,
              io.doubles(expected),
              actual.floats(output),
              Tolerances.OUTPUT,
              output.equals("loss") ? null : positions);
          compared++;
        }
      }
      assertTrue(compared >= 2, name + " compared " + compared);
      float[] embeddings = actual.floats("embeddings");
      long columns = actual.entry("embeddings").shape().columns();
      double length = 0;
      for (int i = 0; i < columns; i++) {
        length += (double) embeddings[i] * embeddings[i];
      }
      assertEquals(1, length, 1e-5, "length of a vector");
    }
    Path other = folder.resolve("pooled.safetensors");
    assertEquals(0, infer("base-model", other, "--pooling", "last", "--unnormalized").code());
    SafeTensors pooled = SafeTensors.open(other);
    float[] hidden = pooled.floats("last_hidden_state");
    assertArrayEquals(
        Arrays.copyOfRange(hidden, 63 * 64, 64 * 64),
        Arrays.copyOf(pooled.floats("embeddings"), 64),
        "the last token");
    mistake("FIRST, LAST, MEAN", infer("base-model", other, "--pooling", "middle"));
    mistake("needs --pooling", infer("base-model", other, "--unnormalized"));
    mistake("a head", infer("base-model", other, "--gradients"));
  }

  @Test
  void doctorListsTheBackends() {
    Result result = run("doctor");
    assertEquals(0, result.code(), result.err());
    assertTrue(result.out().contains("reference: usable"), result.out());
    assertTrue(result.out().contains("cuda: not usable"), result.out());
  }

  @Test
  void stoppedTrainingResumesAndFinishedOnesAreKept() {
    Path out = folder.resolve("resumed");
    assertEquals(0, train(out, "--text", text.toString(), "--steps", "4").code());
    Result again = train(out, "--text", text.toString(), "--steps", "4");
    assertEquals(2, again.code());
    assertTrue(again.err().contains("--resume"), again.err());
    Result resumed = train(out, "--text", text.toString(), "--resume");
    assertEquals(0, resumed.code(), resumed.err());
    Result other = train(out, "--text", Golden.root().resolve("README.md").toString(), "--resume");
    assertEquals(2, other.code());
    assertTrue(other.err().contains("training text"), other.err());
  }

  @Test
  void mistakesGetOneLineWithTheFix() throws IOException {
    Path empty = folder.resolve("empty.txt");
    Files.writeString(empty, "");
    Path none = folder.resolve("none");
    mistake("--steps or --minutes", train(none, "--steps", "1", "--minutes", "1"));
    mistake("empty", train(none, "--text", empty.toString(), "--steps", "1"));
    mistake("missing", train(none, "--text", folder.resolve("missing").toString()));
    String[] heads = {"train", "--out", "" + none, "--heads", "3", "--text", "" + text};
    mistake("multiple of --heads", run(heads));
    mistake("only once", train(none, "--heads", "3", "--text", text.toString()));
    mistake("nothing to resume|no training to resume", train(none, "--resume"));
    mistake("lacks", run("generate", "--model", none.toString(), "--prompt", "x"));
    mistake("cuda", run("evaluate", "--backend", "cuda", "--model", "x", "--text", "" + text));
    mistake("--prompt", run("generate", "--model", model.toString()));
    mistake("prompt is empty", run("generate", "--model", model.toString(), "--prompt", ""));
    mistake("Unknown option", run("doctor", "--nonsense"));
  }

  private static void mistake(String words, Result result) {
    assertEquals(2, result.code(), result.err());
    String error =
        result.err().lines().filter(l -> l.startsWith("reformer: error: ")).findFirst().orElse("");
    assertTrue(error.matches(".*(" + words + ").*"), words + " in " + result.err());
    assertFalse(result.err().contains("\tat "), result.err());
  }

  @Test
  void verboseShowsTheStack() {
    Result result = run("--verbose", "generate", "--model", "/nowhere", "--prompt", "x");
    assertEquals(2, result.code());
    assertTrue(result.err().contains("\tat "), result.err());
  }
}
