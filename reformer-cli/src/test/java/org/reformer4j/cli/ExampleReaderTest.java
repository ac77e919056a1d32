package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.Task;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.train.Example;
import picocli.CommandLine;

/** Lines of a file become examples, or an error that names the line. */
class ExampleReaderTest {
  @TempDir Path folder;

  private static ReformerConfigBuilder config() {
    ModelOptions options = new ModelOptions();
    new CommandLine(CommandLine.Model.CommandSpec.forAnnotatedObject(options)).parseArgs();
    return options.config().toBuilder();
  }

  private static ReformerConfig labels(ProblemType problem, String... labels) {
    return config().labels(List.of(labels)).problemType(Optional.ofNullable(problem)).build();
  }

  private Path file(String... lines) throws IOException {
    return Files.writeString(folder.resolve("examples.jsonl"), String.join("\n", lines));
  }

  private List<Example> read(Task task, ReformerConfig config, String... lines) throws IOException {
    return new ExampleReader(task, config, new ExampleInputs(folder, config)).read(file(lines));
  }

  private void assertReads(Task task, ReformerConfig config, String line, Example expected)
      throws IOException {
    assertEquals(List.of(expected).toString(), read(task, config, line).toString(), line);
  }

  @Test
  void labelsAreNumbersOrNames() throws IOException {
    Task task = Task.SEQUENCE_CLASSIFICATION;
    ReformerConfig one = labels(null, "neg", "pos");
    Example expected = Example.ofClass(new int[] {7, 8}, 1);
    assertReads(task, one, "{\"ids\": [7, 8], \"label\": 1}", expected);
    assertReads(task, one, "{\"ids\": [7, 8], \"label\": \"pos\"}\r", expected);
    int[] text = new ByteTokenizer().encode("ä!");
    assertReads(task, one, "{\"text\": \"ä!\", \"label\": 0}", Example.ofClass(text, 0));

    ReformerConfig several = labels(ProblemType.MULTI_LABEL_CLASSIFICATION, "a", "b", "c");
    Example both = Example.ofValues(new int[] {7}, 1, 0, 1);
    assertReads(task, several, "{\"ids\": [7], \"label\": [1, 0, 1.0]}", both);
    assertReads(task, several, "{\"ids\": [7], \"label\": [\"c\", \"a\"]}", both);
    assertReads(
        task, several, "{\"ids\": [7], \"label\": []}", Example.ofValues(new int[] {7}, 0, 0, 0));

    ReformerConfig number = labels(null, "LABEL_0");
    assertReads(
        task, number, "{\"ids\": [7], \"label\": -2.5}", Example.ofValues(new int[] {7}, -2.5f));
    ReformerConfig numbers = labels(ProblemType.REGRESSION, "x", "y");
    assertReads(
        task, numbers, "{\"ids\": [7], \"label\": [1, 2]}", Example.ofValues(new int[] {7}, 1, 2));
  }

  @Test
  void tokensPairsAndLanguageHaveTheirLabels() throws IOException {
    assertReads(
        Task.TOKEN_CLASSIFICATION,
        labels(null, "O", "B"),
        "{\"ids\": [4, 5, 6, 7], \"labels\": [\"B\", null, -100, 0]}",
        Example.ofTokens(new int[] {4, 5, 6, 7}, new int[] {1, Batch.IGNORE, Batch.IGNORE, 0}));
    Example pair = Example.ofPair(new int[] {99}, new int[] {100, 101});
    assertReads(
        Task.SENTENCE_EMBEDDING, config().build(), "{\"ids\": [99], \"pair\": \"bc\"}", pair);
    assertReads(
        Task.SENTENCE_EMBEDDING, config().build(), "{\"text\": \"a\", \"pair\": [100,101]}", pair);
    assertReads(
        Task.LANGUAGE_MODEL,
        config().build(),
        "{\"ids\": [4, 5]}",
        Example.ofTokens(new int[] {4, 5}, new int[] {4, 5}));
    assertReads(
        Task.LANGUAGE_MODEL,
        config().isDecoder(false).build(),
        "{\"ids\": [4, 5], \"labels\": [null, 9]}",
        Example.ofTokens(new int[] {4, 5}, new int[] {Batch.IGNORE, 9}));
  }

  @Test
  void answersAreTokensOfTheContext() throws IOException {
    Task task = Task.QUESTION_ANSWERING;
    assertReads(
        task,
        config().build(),
        "{\"ids\": [4, 5, 6], \"start\": 1, \"end\": 2}",
        Example.ofAnswer(new int[] {4, 5, 6}, 1, 2));
    // Two letters of two bytes and one of four stand before the answer, which ends with one of two.
    int[] ids = new ByteTokenizer().encode("Wer?öä\uD83D\uDE00 Onkel Jö da");
    assertReads(
        task,
        config().build(),
        "{\"question\": \"Wer?\", \"context\": \"öä\uD83D\uDE00 Onkel Jö da\","
            + " \"answer\": \"Onkel Jö\", \"answer_start\": 4}",
        Example.ofAnswer(ids, 13, 21));
    assertReads(
        task,
        config().build(),
        "{\"question\": \"Wer?\", \"context\": \"öä\uD83D\uDE00 Onkel Jö da\","
            + " \"answer\": \"ä\", \"answer_start\": 1}",
        Example.ofAnswer(ids, 6, 7));
  }

  /** Decodes to words with single spaces between, as tokenizers do that normalise. */
  private static final class Words implements Tokenizer {
    private final List<String> known = new ArrayList<>();

    @Override
    public int vocabularySize() {
      return 100;
    }

    @Override
    public int[] encode(String text) {
      return Arrays.stream(text.strip().split("\\s+")).mapToInt(this::id).toArray();
    }

    private int id(String word) {
      if (!known.contains(word)) {
        known.add(word);
      }
      return known.indexOf(word);
    }

    @Override
    public String decode(int... ids) {
      StringBuilder text = new StringBuilder();
      StreamingDecoder decoder = streaming();
      Arrays.stream(ids).forEach(id -> text.append(decoder.append(id)));
      return text.toString();
    }

    @Override
    public StreamingDecoder streaming() {
      return new StreamingDecoder() {
        private boolean started;

        @Override
        public String append(int id) {
          String piece = (started ? " " : "") + known.get(id);
          started = true;
          return piece;
        }

        @Override
        public String flush() {
          return "";
        }
      };
    }
  }

  @Test
  void answersAreFoundAfterNormalisation() throws IOException {
    assertEquals(new AnswerSpan(4, 5), span("a  b a  b   a b", "a b", 12));
    assertEquals(new AnswerSpan(0, 1), span("a  b a  b   a b", "a  b", 0));
    assertEquals(new AnswerSpan(2, 3), span("a  b a  b   a b", "a  b", 5));
    Throwable inWord = assertThrows(IllegalArgumentException.class, () -> span("a  bcd", "x", 9));
    assertTrue(inWord.getMessage().contains("0..6"), inWord.getMessage());
  }

  private AnswerSpan span(String context, String answer, int start) throws IOException {
    List<AnswerSpan> found = new ArrayList<>();
    Path file =
        file(
            "{\"context\": \"%s\", \"answer\": \"%s\", \"answer_start\": %d}"
                .formatted(context, answer, start));
    JsonLines.read(file, line -> found.add(AnswerSpan.of(line, new Words())));
    return found.get(0);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"ids\": [7], \"label\": 2} | none of the model's: use its number in 0..1",
        "{\"ids\": [7], \"label\": \"good\"} | or its name, neg, pos",
        "{\"ids\": [7], \"label\": -100} | none of the model's",
        "{\"ids\": [7], \"label\": null} | there is no \"label\"",
        "{\"ids\": [7]} | there is no \"label\"",
        "{\"label\": 1} | either \"ids\" or \"text\"",
        "{\"ids\": [7], \"text\": \"a\", \"label\": 1} | either \"ids\" or \"text\"",
        "{\"ids\": [], \"label\": 1} | ids has no tokens",
        "{\"text\": \"\", \"label\": 1} | text has no tokens",
        "{\"text\": 3, \"label\": 1} | \"text\" must be a text, found 3",
        "{\"ids\": [7.5], \"label\": 1} | must hold integers, found 7.5",
        "{\"ids\": 7, \"label\": 1} | must be a list, found 7",
        "{\"ids\": [258], \"label\": 1} | outside the vocabulary 0..257",
        "{\"ids\": [7, -1], \"label\": 1} | outside the vocabulary",
        "{\"ids\": [7], \"ids\": [8], \"label\": 1} | Duplicate field 'ids'",
        "{\"ids\": [7], \"label\": 1 | not JSON, column",
        "{\"ids\": [7], \"label\": 1} {} | not JSON",
        "[1, 2] | must be an object",
        "{\"a\": [[[[[[[[[[1]]]]]]]]]]} | nesting depth",
      })
  void badLinesAreNamed(String line, String message) {
    assertRefused(Task.SEQUENCE_CLASSIFICATION, labels(null, "neg", "pos"), line, message);
  }

  @Test
  void badLabelsOfOtherTasksAreNamed() {
    ReformerConfig tags = labels(null, "O", "B");
    Task tokens = Task.TOKEN_CLASSIFICATION;
    assertRefused(tokens, tags, "{\"ids\": [7, 8], \"labels\": [1]}", "each of the 2 tokens");
    assertRefused(tokens, tags, "{\"ids\": [7], \"labels\": [3]}", "none of the model's");
    ReformerConfig several = labels(ProblemType.MULTI_LABEL_CLASSIFICATION, "a", "b", "c");
    Task sequence = Task.SEQUENCE_CLASSIFICATION;
    assertRefused(sequence, several, "{\"ids\": [7], \"label\": [1, 0]}", "have 3 numbers");
    assertRefused(sequence, several, "{\"ids\": [7], \"label\": [1, 0, 2]}", "0 or 1 for each");
    assertRefused(sequence, several, "{\"ids\": [7], \"label\": \"a\"}", "must be a list");
    ReformerConfig number = labels(ProblemType.REGRESSION, "x");
    assertRefused(sequence, number, "{\"ids\": [7], \"label\": \"3\"}", "must have numbers");
    assertRefused(sequence, number, "{\"ids\": [7], \"label\": 1e99}", "must have numbers");
    ReformerConfig plain = config().build();
    Task answers = Task.QUESTION_ANSWERING;
    assertRefused(answers, plain, "{\"ids\": [7, 8], \"start\": 1, \"end\": 0}", "within 0..1");
    assertRefused(answers, plain, "{\"ids\": [7, 8], \"start\": 1, \"end\": 2}", "within 0..1");
    assertRefused(answers, plain, "{\"ids\": [7, 8], \"start\": 1}", "no \"end\"");
    assertRefused(answers, plain, "{\"text\": \"ab\"}", "needs \"start\" and \"end\"");
    String squad =
        "{\"question\": \"q\", \"context\": \"abc\", \"answer\": \"%s\", \"answer_start\": %d}";
    assertRefused(answers, plain, squad.formatted("b", 0), "does not have \"answer\"");
    assertRefused(answers, plain, squad.formatted("", 0), "must not be empty");
    assertRefused(answers, plain, squad.formatted("b", -1), "be in 0..3");
    assertRefused(Task.SENTENCE_EMBEDDING, plain, "{\"ids\": [7]}", "no \"pair\"");
    ReformerConfig masked = config().isDecoder(false).build();
    assertRefused(Task.LANGUAGE_MODEL, masked, "{\"ids\": [7]}", "token under each mask");
    assertRefused(
        Task.LANGUAGE_MODEL, masked, "{\"ids\": [7], \"labels\": [258]}", "token ids in 0..257");
  }

  private void assertRefused(Task task, ReformerConfig config, String line, String message) {
    String good = " \n";
    Throwable error =
        assertThrows(IllegalArgumentException.class, () -> read(task, config, good, line));
    assertTrue(error.getMessage().contains("examples.jsonl line 3: "), error.getMessage());
    assertTrue(error.getMessage().contains(message), error.getMessage());
  }

  @Test
  void longAndForeignLinesAreNamed() throws IOException {
    ReformerConfig config = labels(null, "neg", "pos");
    String tokens = "1,".repeat(config.maxPositions()) + "1";
    assertRefused(
        Task.SEQUENCE_CLASSIFICATION, config, "{\"ids\": [" + tokens + "]}", "cut the example");
    Path file = folder.resolve("examples.jsonl");
    ExampleReader reader =
        new ExampleReader(Task.SEQUENCE_CLASSIFICATION, config, new ExampleInputs(folder, config));
    Files.write(file, "{\"text\": \"ä\"}".getBytes(StandardCharsets.ISO_8859_1));
    assertMessage("line 1: not UTF-8", reader, file);
    byte[] endless = new byte[JsonLines.LONGEST_LINE + 1];
    Arrays.fill(endless, (byte) ' ');
    Files.write(file, endless);
    assertMessage("line 1: longer than", reader, file);
    Files.writeString(file, "\n \n");
    assertMessage("holds no examples", reader, file);
    assertMessage("is no file", reader, folder);
    Files.writeString(file, "\uFEFF{\"ids\": [7], \"label\": 1}");
    assertEquals(1, reader.read(file).size());
  }

  private static void assertMessage(String message, ExampleReader reader, Path file) {
    Throwable error = assertThrows(IllegalArgumentException.class, () -> reader.read(file));
    assertTrue(error.getMessage().contains(message), error.getMessage());
  }

  private ReformerConfig survey(Task task, List<String> labels, ProblemType problem, String... all)
      throws IOException {
    List<String> lines = new ArrayList<>();
    String name = task == Task.TOKEN_CLASSIFICATION ? "labels" : "label";
    for (String label : all) {
      lines.add("{\"%s\": %s}".formatted(name, label));
    }
    Path file = file(lines.toArray(String[]::new));
    return LabelSurvey.config(config().build(), task, file, labels, problem, false);
  }

  @Test
  void newHeadsHaveTheLabelsOfTheFile() throws IOException {
    Task sequence = Task.SEQUENCE_CLASSIFICATION;
    ReformerConfig names = survey(sequence, null, null, "\"pos\"", "\"neg\"", "\"pos\"");
    assertEquals(List.of("neg", "pos"), names.labels());
    assertEquals(ProblemType.SINGLE_LABEL_CLASSIFICATION, names.problemType().orElseThrow());
    assertEquals(4, survey(sequence, null, null, "3", "0").numLabels());
    ReformerConfig sets = survey(sequence, null, null, "[\"b\", \"a\"]", "[]");
    assertEquals(List.of("a", "b"), sets.labels());
    assertEquals(ProblemType.MULTI_LABEL_CLASSIFICATION, sets.problemType().orElseThrow());
    ReformerConfig flags = survey(sequence, null, null, "[0, 1, 0]");
    assertEquals(3, flags.numLabels());
    assertEquals(ProblemType.MULTI_LABEL_CLASSIFICATION, flags.problemType().orElseThrow());
    ReformerConfig fractions = survey(sequence, null, null, "1", "2.5");
    assertEquals(1, fractions.numLabels());
    assertEquals(ProblemType.REGRESSION, fractions.problemType().orElseThrow());
    assertEquals(2, survey(sequence, null, null, "[1, 2]").numLabels());
    ReformerConfig asked = survey(sequence, List.of("x", "y", "z"), ProblemType.REGRESSION, "1");
    assertEquals(List.of("x", "y", "z"), asked.labels());
    assertEquals(ProblemType.REGRESSION, asked.problemType().orElseThrow());
    ReformerConfig tags = survey(Task.TOKEN_CLASSIFICATION, null, null, "[2, null, -100]");
    assertEquals(3, tags.numLabels());
    assertEquals(Optional.empty(), tags.problemType());
    assertEquals(
        config().build(), survey(Task.QUESTION_ANSWERING, null, null, "\"not looked at\""));
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"same\"", "0", "100000", "{\"a\": 1}", "true"})
  void labelsThatSayNothingAreRefused(String label) {
    assertThrows(
        IllegalArgumentException.class,
        () -> survey(Task.SEQUENCE_CLASSIFICATION, null, null, label, label));
  }

  @Test
  void labelsOfTasksWithoutClassesAreRefused() {
    for (Task task : List.of(Task.SENTENCE_EMBEDDING, Task.QUESTION_ANSWERING)) {
      assertThrows(
          IllegalArgumentException.class, () -> survey(task, List.of("a", "b"), null, "1"));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> survey(Task.TOKEN_CLASSIFICATION, null, ProblemType.REGRESSION, "[1]"));
  }
}
