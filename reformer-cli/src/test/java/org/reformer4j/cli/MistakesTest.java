package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes wrong, in one line and with an exit code. */
class MistakesTest {
  @TempDir Path folder;
  private Path text;
  private Path out;

  @BeforeEach
  void write() throws IOException {
    text = Files.writeString(folder.resolve("text.txt"), "abcdefgh".repeat(100));
    out = folder.resolve("out");
  }

  private static void assertUsage(CommandRun run, String... parts) {
    assertError(Main.BAD_INPUT, run, parts);
  }

  private static void assertError(int code, CommandRun run, String... parts) {
    assertEquals(code, run.code(), run.err());
    assertTrue(run.error().startsWith("reformer: error: "), run.err());
    assertEquals(1, run.err().split("reformer: error: ", -1).length - 1, run.err());
    assertFalse(run.err().contains("\tat "), run.err());
    for (String part : parts) {
      assertTrue(run.error().contains(part), "no '" + part + "' in: " + run.error());
    }
  }

  private CommandRun train(String... more) {
    String[] args = new String[more.length + 5];
    System.arraycopy(
        new String[] {"train", "--text", text.toString(), "--out", out.toString()}, 0, args, 0, 5);
    System.arraycopy(more, 0, args, 5, more.length);
    return CommandRun.of(args);
  }

  @Test
  void noCommandShowsHelp() {
    assertTrue(CommandRun.of().out().contains("Usage: reformer"));
  }

  /** Of a group, of another one, of none. */
  @ParameterizedTest
  @ValueSource(strings = {"--hidden", "--steps", "--chunks-before", "--threads"})
  void optionsAreGivenOnce(String name) {
    CommandRun run = train(name, "4", "--batch=2", name + "=4");
    assertUsage(run, name, "only once", "train --help");
    assertFalse(Files.exists(out));
  }

  @Test
  void misspelledOptionGetsSuggestion() {
    assertUsage(train("--batchh", "3"), "--batchh", "did you mean --batch", "train --help");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--steps 3 --minutes 1 | give --steps or --minutes, not both",
        "--steps 0 | must be positive",
        "--minutes -1 | must be positive",
        "--steps 3 --batch x | --batch",
        "--steps 3 --batch 0 | sequences",
        "--steps 3 --layers local,lhs | got 'local,lhs'",
        "--steps 3 --layers 0 | attn_layers is empty",
        "--steps 3 --hidden 100 --heads 3 | must be a multiple of --heads 3",
        "--steps 3 --hidden 512 --heads 2 | lsh_hashing integer takes at most 128",
        "--steps 3 --lsh-hashing double | use one of [float, integer]",
        "--steps 3 --buckets 3 | num_buckets",
        "--steps 3 --dropout 2 | hidden_dropout_prob",
        "--steps 3 --schedule zigzag | INVERSE_SQUARE_ROOT",
        "--steps 3 --optimizer sgd | ADAFACTOR",
        "--steps 3 --warmup 5 | shorten the warm-up",
        "--steps 3 --threads 0 | threads must be in 1..4096",
        "--steps 3 --validation-fraction 1 | validationFraction must be in [0, 1)",
        "--steps 3 --context 5000 | 5001",
        "--steps 3 --precision float16 | BFLOAT16",
        "--steps 3 --precision bfloat16 --backend reference | use precision float32, or the cuda",
        "--steps 3 --backend tpu | no backend 'tpu'",
        "--resume | no training to resume",
        "--config none.json | none.json does not exist",
      })
  void badOptions(String options, String message) {
    assertUsage(train(options.split(" ")), message);
    assertFalse(Files.exists(out.resolve("model.safetensors")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "finetune --examples x --out DIR/a | give --model, the pretrained folder, and --task",
        "finetune --examples x --out DIR/a --task tagging | language-model], got 'tagging'",
        "finetune --examples x --out DIR/a --task embedding --model DIR --epochs 0 | --epochs must",
        "finetune --examples x --out DIR/a --task embedding --model DIR --epochs 1 --steps 2 | excl",
        "finetune --examples x --out DIR/a --task embedding --model DIR | lacks",
        "finetune --examples x --out DIR/a --resume | no training to resume",
        "finetune --out DIR/a --resume | --examples",
        "evaluate --model DIR | --text",
        "evaluate --model DIR --text x --examples x | mutually exclusive",
        "evaluate --model DIR --examples x | lacks",
        "predict --model DIR --examples x | lacks",
        "predict --model DIR --examples x --out x | choose another file",
      })
  void badUseOfExamples(String options, String message) {
    assertUsage(CommandRun.of(options.replace("DIR", folder.toString()).split(" ")), message);
  }

  @Test
  void missingText() {
    CommandRun run = CommandRun.of("train", "--text", folder + "/none", "--out", out.toString());
    assertUsage(run, "no such file or folder", "none");
  }

  @Test
  void emptyText() throws IOException {
    Files.writeString(text, "");
    assertUsage(train("--steps", "3"), "no text in");
  }

  @Test
  void badConfigFile() throws IOException {
    Path config = Files.writeString(folder.resolve("config.json"), "{\"model_type\": ");
    assertUsage(train("--config", config.toString(), "--steps", "1"), "config.json");
  }

  @Test
  void encoderConfigIsNotTrained() throws IOException {
    Path config =
        Files.writeString(
            folder.resolve("config.json"),
            "{\"model_type\": \"reformer\", \"vocab_size\": 258, \"is_decoder\": false}");
    assertUsage(train("--config", config.toString(), "--steps", "1"), "is_decoder");
  }

  @Test
  void occupiedFolder() throws IOException {
    Files.createDirectories(out);
    Files.writeString(out.resolve("model.safetensors"), "");
    assertUsage(train("--steps", "3"), "holds a model already", "--out");
  }

  @Test
  void outputIsFile() throws IOException {
    Files.writeString(out, "");
    assertUsage(train("--steps", "3"), "is no folder", "--out");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "generate --prompt a",
        "evaluate --text pom.xml",
        "infer --inputs none.safetensors --outputs none"
      })
  void badModelFolder(String command) {
    String[] args = (command + " --model " + folder.resolve("nothing")).split(" ");
    CommandRun run = CommandRun.of(args);
    assertUsage(run, command.startsWith("infer") ? "none.safetensors" : "config.json");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "convert | 'OUT'",
        "convert none out | config.json",
        "convert none out --dtype float8 | BFLOAT16",
        "convert none out --format onnx | SAFETENSORS",
        "convert none out --max-shard-size big | no size such as 5GB",
        "convert none out --max-shard-size 999999999TB | no size such as 5GB",
        "convert none out --max-shard-size 0GB | at least 1B",
        "inspect | 'MODEL'",
        "inspect none | is no folder",
      })
  void badConversions(String command, String message) {
    assertUsage(CommandRun.of(command.split(" ")), message);
  }

  @Test
  void promptIsNeeded() {
    assertUsage(CommandRun.of("generate", "--model", "x"), "--prompt=");
    assertUsage(
        CommandRun.of("generate", "--model", "x", "--prompt-file", folder + "/none"), "is no file");
    assertUsage(CommandRun.of("generate", "--model", "x", "--prompt", "a", "--top-p", "0"), "topP");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--num-beams 3 --temperature 0.5 | leave out --temperature",
        "--num-beams 3 --top-k 5 --min-p 0.1 | leave out --top-k, --min-p",
        "--num-beams 3 --top-p 0.5 --typical-p 0.1 | leave out --top-p, --typical-p",
        "--num-beams 3 --num-sequences 4 | at most --num-beams, 3",
        "--num-beams 0 | numBeams must be at least 1",
        "--num-sequences 0 | numReturnSequences must be at least 1",
        "--num-sequences 2 --greedy | set --temperature over 0, or --num-beams",
        "--num-sequences 2 --temperature 0 | one text only",
        "--length-penalty 2 | set --num-beams over 1",
        "--early-stopping never | --early-stopping is for beam search",
        "--num-beams 2 --early-stopping maybe | WHEN_FULL",
        "--num-beams 2 --length-penalty NaN | lengthPenalty must be finite",
        "--min-new-tokens 300 | 0..200",
        "--min-p 2 | minP must be in [0, 1]",
        "--typical-p 0 | typicalP must be in (0, 1]",
        "--no-repeat-ngram-size -1 | noRepeatNgramSize",
        "--stop= | empty string",
      })
  void optionsThatExcludeEachOther(String options, String message) {
    String[] args = ("generate --model x --prompt a " + options).split(" ");
    assertUsage(CommandRun.of(args), message);
  }

  @Test
  void verboseShowsStackTrace() {
    CommandRun run = CommandRun.of("--verbose", "generate", "--model", "none", "--prompt", "a");
    assertEquals(Main.BAD_INPUT, run.code());
    assertTrue(run.err().contains("reformer: error: "), run.err());
    assertTrue(run.err().contains("\tat "), run.err());
    CommandRun after = CommandRun.of("generate", "--model", "none", "--prompt", "a", "--verbose");
    assertTrue(after.err().contains("\tat "), after.err());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "train",
        "finetune",
        "generate",
        "evaluate",
        "predict",
        "infer",
        "convert",
        "inspect",
        "benchmark",
        "experiment",
        "experiment duplication",
        "plot",
        "doctor"
      })
  void helpTeaches(String command) {
    CommandRun run = CommandRun.of((command + " --help").strip().split(" "));
    assertEquals(0, run.code(), run.err());
    for (String part : new String[] {"Usage: reformer", "Exit codes:", "130", "  reformer "}) {
      assertTrue(run.out().contains(part), "no '" + part + "' in " + run.out());
    }
  }

  @Test
  void version() {
    CommandRun run = CommandRun.of("--version");
    assertEquals(0, run.code());
    assertTrue(run.out().startsWith("reformer "), run.out());
  }

  @Test
  void doctor() {
    CommandRun run = CommandRun.of("doctor");
    assertEquals(0, run.code(), run.err());
    assertTrue(run.out().contains("reference: usable"), run.out());
    assertTrue(run.out().contains("<- auto"), run.out());
  }
}
