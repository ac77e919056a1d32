package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DuplicationCommandTest {
  @TempDir Path folder;

  /** Runs a tiny experiment; options given replace its own. */
  private CommandRun run(String more) {
    Map<String, String> options = new LinkedHashMap<>();
    add(
        options,
        "--backend reference --threads 1 --length 16 --hidden 8 --heads 2 --ff 8 --chunk 4"
            + " --batch 2 --evaluation-sequences 3 --steps 2 --seeds 2 --hashes 2"
            + " --evaluate-hashes 4,1 --out "
            + folder
            + "/out");
    add(options, more);
    List<String> args = new ArrayList<>(List.of("experiment", "duplication"));
    options.forEach(
        (name, value) -> args.addAll(value.isEmpty() ? List.of(name) : List.of(name, value)));
    return CommandRun.of(args.toArray(String[]::new));
  }

  private static void add(Map<String, String> options, String text) {
    String name = null;
    for (String word : text.split(" ")) {
      if (word.startsWith("--")) {
        name = word;
        options.put(name, "");
      } else if (name != null) {
        options.put(name, word);
      }
    }
  }

  @Test
  void tableJsonAndPlot() throws IOException {
    CommandRun run = run("");
    assertEquals(0, run.code(), run.err());
    Path out = folder.resolve("out");
    String table = Files.readString(out.resolve("duplication.md"));
    assertTrue(table.startsWith("| trained \\ evaluated | full | LSH-4 | LSH-1 |\n"), table);
    assertEquals(4, table.lines().count(), table);
    assertTrue(run.out().startsWith(table), run.out());
    assertFalse(table.contains("| - |"), table);
    JsonNode json = new ObjectMapper().readTree(out.resolve("duplication.json").toFile());
    assertTrue(json.get("complete").asBoolean());
    assertEquals("reference", json.get("backend").get("name").asText());
    assertEquals(16, json.get("options").get("length").asInt());
    assertEquals(4, json.get("trainings").size());
    assertEquals("LSH-2", json.get("trainings").get(1).get("trained").asText());
    assertEquals(6, json.get("cells").size());
    assertEquals("LSH-4", json.get("cells").get(4).get("evaluated").asText());
    assertEquals(2, json.get("cells").get(4).get("accuracies").size());
    assertNotNull(ImageIO.read(out.resolve("duplication.png").toFile()));
    for (String line :
        List.of("training with LSH-2, seed 1", "trained with full, evaluated with LSH-4: ")) {
      assertTrue(run.err().contains(line), run.err());
    }

    assertEquals(Main.BAD_INPUT, run("").code(), "nothing is overwritten");
    CommandRun again = run("--resume");
    assertEquals(0, again.code(), again.err());
    assertTrue(again.out().startsWith(table), again.out());
  }

  @Test
  void rowsAndColumnsCanBeChosen() {
    CommandRun run = run("--no-full --seeds 1");
    assertEquals(0, run.code(), run.err());
    assertTrue(run.out().startsWith("| trained \\ evaluated | LSH-4 | LSH-1 |\n"), run.out());
    assertEquals("| LSH-2 |", run.out().lines().skip(2).findFirst().orElseThrow().substring(0, 9));
  }

  @Test
  void optionsTakePrecedenceOverThePapersSize() throws IOException {
    CommandRun run = run("--paper --seeds 1 --no-full");
    assertEquals(0, run.code(), run.err());
    JsonNode options =
        new ObjectMapper().readTree(folder.resolve("out/duplication.json").toFile()).get("options");
    assertEquals(16, options.get("length").asInt());
    assertEquals(0.001, options.get("learningRate").asDouble(), "from the paper's preset");
  }

  @Test
  void causalSelectionAndFixedPoint() throws IOException {
    CommandRun run =
        run("--selection causal --residual-arithmetic fixed_point --seeds 1 --hashes 1");
    assertEquals(0, run.code(), run.err());
    JsonNode config =
        new ObjectMapper().readTree(folder.resolve("out/lsh-1-seed-0/config.json").toFile());
    assertEquals("causal", config.get("lsh_selection").asText());
    assertEquals(2, config.get("lsh_num_chunks_before").asInt());
    assertEquals(2, config.get("num_buckets").asInt());
    assertEquals("fixed_point", config.get("residual_arithmetic").asText());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--length 15 | even",
        "--chunk 16 | nothing to hash",
        "--heads 3 | multiple of heads",
        "--length 16 --chunk 4 --chunk-length 8 | should be specified only once",
        "--hashes 0 | --hashes must be different numbers",
        "--hashes 2,2 | --hashes must be different numbers",
        "--evaluate-hashes -1 | --evaluate-hashes must be",
        "--seeds 0 | --seeds must be at least 1",
        "--steps 0 | steps",
        "--batch 0 | sequences",
        "--learning-rate 0 | peak must be positive",
        "--evaluation-sequences 0 | evaluationSequences",
        "--selection random | use one of",
        "--residual-arithmetic double | use one of",
        "--backend tpu | no backend 'tpu'",
      })
  void mistakes(String options, String message) {
    CommandRun run = run(options);
    assertEquals(Main.BAD_INPUT, run.code(), run.err());
    assertTrue(run.error().contains(message), run.err());
    assertFalse(Files.exists(folder.resolve("out")));
  }
}
