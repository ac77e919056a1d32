package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.api.Backend;
import org.reformer4j.cli.Main;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.train.Trainer;

/** From a pretrained folder to predictions of each head, as a user types it. */
class FineTuningCommandTest {
  @TempDir Path folder;

  private record Result(int code, String out, String err) {}

  private static Result run(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), args);
    return new Result(code, out.toString(), err.toString());
  }

  private Result command(String... args) {
    List<String> all = new ArrayList<>(List.of(args));
    all.addAll(List.of("--backend", "reference", "--threads", "2"));
    return run(all.toArray(String[]::new));
  }

  private static String done(Result result) {
    assertEquals(0, result.code(), result.err());
    return result.out();
  }

  private static ReformerConfig encoder() {
    return TestModels.small(2)
        .isDecoder(false)
        .lshNumChunksAfter(1)
        .initializerRange(0.1)
        .axialNormStd(0.1)
        .build();
  }

  private String pretrained(ReformerConfig config) throws IOException {
    Path path = folder.resolve("pretrained");
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(config, backend, 5)) {
      model.save(path);
    }
    Files.writeString(path.resolve("special_tokens_map.json"), "{}");
    return path.toString();
  }

  private String file(String name, List<String> lines) throws IOException {
    return Files.write(folder.resolve(name), lines).toString();
  }

  @ParameterizedTest
  @EnumSource
  void everyHeadLearnsAndPredicts(LessonLines lesson) throws IOException {
    String start = pretrained(encoder());
    String train = file("train.jsonl", lesson.lines(lesson == LessonLines.PAIRS ? 240 : 400, 1));
    String test = file("test.jsonl", lesson.lines(lesson == LessonLines.PAIRS ? 24 : 60, 2));
    String tuned = folder.resolve("tuned").toString();
    Result result =
        command(
            "finetune",
            "--model",
            start,
            "--task",
            lesson.task(),
            "--examples",
            train,
            "--eval-examples",
            test,
            "--out",
            tuned,
            "--steps",
            "250",
            "--batch",
            "8",
            "--learning-rate",
            "0.01",
            "--log-every",
            "50");
    String said = done(result);
    System.out.println("FineTuningCommandTest: " + lesson + " " + said.lines().findFirst().get());
    Matcher head = Pattern.compile("newly initialised, [^:]*: (\\S+)").matcher(result.err());
    assertEquals(lesson != LessonLines.PAIRS, head.find(), result.err());
    assertTrue(result.err().contains("not used: lm_head."), result.err());
    assertFalse(result.err().contains("bits/byte"), result.err());
    assertTrue(Files.exists(Path.of(tuned, "special_tokens_map.json")));
    Matcher loss = Pattern.compile("held-out examples: (loss (\\S+)(.*))").matcher(said);
    assertTrue(loss.find(), said);
    double share = lesson.score() == null ? 1 : score(loss.group(3), lesson.score());
    assertTrue(share > 0.9, said);

    String again = done(command("evaluate", "--model", tuned, "--examples", test, "--batch", "8"));
    assertEquals(loss.group(1), again.strip());

    List<JsonNode> predicted = new ArrayList<>();
    ObjectMapper json = new ObjectMapper();
    for (String line :
        done(command("predict", "--model", tuned, "--examples", test)).lines().toList()) {
      predicted.add(json.readTree(line));
    }
    List<String> given = Files.readAllLines(Path.of(test));
    assertEquals(given.size(), predicted.size());
    int right = 0;
    int all = 0;
    for (int i = 0; i < given.size(); i++) {
      int[] counts = lesson.right(json.readTree(given.get(i)), predicted.get(i));
      right += counts[0];
      all += counts[1];
    }
    double found = right / (double) all;
    if (lesson.score() != null && lesson != LessonLines.PAIRS && lesson != LessonLines.ANSWERS) {
      assertEquals(share, found, 1e-4, "the score is that of the predictions");
    }
    assertTrue(found > 0.9, lesson + " " + found);
  }

  private static double score(String text, String name) {
    Matcher score = Pattern.compile(name + " (\\S+)").matcher(text);
    assertTrue(score.find(), text);
    return Double.parseDouble(score.group(1));
  }

  private Result finetune(String out, String train, String... more) {
    List<String> args = new ArrayList<>(List.of("finetune", "--out", out, "--examples", train));
    args.addAll(List.of(more));
    return command(args.toArray(String[]::new));
  }

  @Test
  void textsAreEncodedAndAnswersDecoded() throws IOException {
    String start = pretrained(TinyTraining.builder().isDecoder(false).build());
    String train =
        file(
            "train.jsonl",
            List.of(
                "{\"question\": \"who\", \"context\": \"the fox ran\", \"answer\": \"fox\","
                    + " \"answer_start\": 4}",
                "{\"question\": \"how\", \"context\": \"a dog slept\", \"answer\": \"dog\","
                    + " \"answer_start\": 2}"));
    String out = folder.resolve("answers").toString();
    String[] options = {
      "--model",
      start,
      "--task",
      "question-answering",
      "--steps",
      "120",
      "--batch",
      "2",
      "--learning-rate",
      "0.01",
      "--log-every",
      "60"
    };
    done(finetune(out, train, options));
    String said = done(command("predict", "--model", out, "--examples", train));
    assertTrue(said.contains("\"answer\":\"fox\""), said);
    assertTrue(said.contains("\"answer\":\"dog\""), said);
    assertTrue(said.contains("\"start\":7,\"end\":9"), said);
    Path file = folder.resolve("predicted.jsonl");
    done(command("predict", "--model", out, "--examples", train, "--out", file.toString()));
    assertEquals(said, Files.readString(file));
    String bad = file("bad.jsonl", List.of("{\"text\": \"fox\"}", "{\"text\": \"\"}"));
    refused("bad.jsonl line 2", command("predict", "--model", out, "--examples", bad));
    refused(
        "bad.jsonl line 2",
        command("predict", "--model", out, "--examples", bad, "--out", file.toString()));
    assertEquals(said, Files.readString(file), "kept");
  }

  @Test
  void resumedTrainingGivesTheSameBits() throws IOException {
    String start = pretrained(encoder());
    String train = file("train.jsonl", LessonLines.NAMES.lines(40, 1));
    String whole = folder.resolve("whole").toString();
    String[] options = {"--model", start, "--task", "classification", "--epochs", "1"};
    Result first = finetune(whole, train, options);
    done(first);
    assertTrue(first.err().contains("36 examples to learn, 4 held out"), first.err());
    assertTrue(first.err().contains("9 steps of 4 examples"), first.err());
    assertTrue(first.err().contains("3 labels of single_label_classification: a, b, c"));
    refused("reformer predict", finetune(whole, train, options));
    byte[] state = Files.readAllBytes(Path.of(whole, Trainer.STATE_FILE));
    Result again = finetune(whole, train, "--resume", "--batch", "3");
    assertEquals(first.out(), done(again));
    assertTrue(again.err().contains("ignored: --batch"), again.err());
    assertArrayEquals(state, Files.readAllBytes(Path.of(whole, Trainer.STATE_FILE)));
    String other = file("other.jsonl", LessonLines.NAMES.lines(40, 2));
    refused("training text", finetune(whole, other, "--resume"));

    // A classifier keeps its head and labels, though these examples lack one.
    String two =
        file(
            "two.jsonl",
            LessonLines.NAMES.lines(30, 3).stream().filter(l -> !l.contains("\"a\"")).toList());
    String more = folder.resolve("more").toString();
    Result kept =
        finetune(more, two, "--model", whole, "--task", "classification", "--epochs", "1");
    done(kept);
    assertTrue(kept.err().contains("all parameters were loaded"), kept.err());
    assertTrue(kept.err().contains(": a, b, c"), kept.err());
    refused(
        "mis-shaped classifier",
        finetune(
            folder.resolve("x").toString(),
            two,
            "--model",
            whole,
            "--task",
            "classification",
            "--labels",
            "b,c"));
  }

  @Test
  void languageModelsGoOnLearning() throws IOException {
    String start = pretrained(TinyTraining.config());
    String text = "{\"text\": \"the quick brown fox\"}";
    String train = file("train.jsonl", List.of(text, text, text, text, text, text));
    String out = folder.resolve("language").toString();
    String[] options = {
      "--model",
      start,
      "--task",
      "language-model",
      "--minutes",
      "0.03",
      "--eval-examples",
      train,
      "--learning-rate",
      "0.01"
    };
    Result result = finetune(out, train, options);
    String said = done(result);
    assertTrue(result.err().contains("seconds per step"), result.err());
    assertTrue(said.contains("on 108 labels of 6 examples"), said);
    assertTrue(said.contains("next: ./reformer generate"), said);
    String measured = done(command("evaluate", "--model", out, "--examples", train));
    assertTrue(said.contains(measured.strip()), said + measured);
    assertFalse(measured.equals(done(command("evaluate", "--model", start, "--examples", train))));
  }

  @Test
  void maskedLanguageModelsAreMeasured() throws IOException {
    ReformerConfig config = TinyTraining.builder().isDecoder(false).build();
    String model = pretrained(config);
    String text =
        file("text.txt", List.of("the quick brown fox jumps over the lazy dog".repeat(9)));
    Result result =
        command("evaluate", "--model", model, "--text", text, "--mask-token", "1", "--seed", "4");
    String said = done(result);
    assertTrue(said.matches("\\d\\.\\d{4} bits per masked token .* on \\d\\d of 388 .*\\R"), said);
    Matcher bits = Pattern.compile("(\\S+) bits").matcher(said);
    assertTrue(bits.find());
    assertEquals(8, Double.parseDouble(bits.group(1)), 0.5, "an untrained model knows nothing");
    String[] other = {"evaluate", "--model", model, "--text", text, "--mask-token", "1"};
    assertFalse(said.equals(done(command(other))), "another seed");
    refused("--mask-token", command("evaluate", "--model", model, "--text", text));
    refused("masked", run("generate", "--model", model, "--prompt", "x"));
    refused("language model", command("predict", "--model", model, "--examples", text));
  }

  private static void refused(String words, Result result) {
    assertEquals(2, result.code(), result.err());
    assertTrue(result.err().contains("reformer: error: "), result.err());
    assertTrue(result.err().contains(words), words + " in " + result.err());
    assertFalse(result.err().contains("\tat "), result.err());
  }
}
