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
import java.util.List;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.ReformerConfig;

class BenchmarkTest {
  @TempDir Path folder;

  private CommandRun run(String more) {
    List<String> args = new ArrayList<>(List.of("benchmark", "--out", folder + "/out"));
    String tiny =
        "--backend reference --threads 1 --hidden 16 --heads 2 --head-size 8 --ff 32 --layers 2"
            + " --chunk 8 --vocabulary 20 --edge 64 --repeats 3 --lengths 32,64 --hashes 1,2"
            + " --contexts 16 --decode-tokens 3 --depths 2,6";
    args.addAll(List.of((tiny + " " + more).split(" ")));
    return CommandRun.of(args.toArray(String[]::new));
  }

  private JsonNode json() throws IOException {
    return new ObjectMapper().readTree(folder.resolve("out/benchmark.json").toFile());
  }

  /** D 2, H 1, K 3, F 5, V 7, C 4: every product is small enough to be counted by hand. */
  private static ReformerConfig tiny(AttentionKind kind) {
    return ReformerConfig.builder()
        .attnLayers(List.of(kind))
        .hiddenSize(2)
        .numAttentionHeads(1)
        .attentionHeadSize(3)
        .feedForwardSize(5)
        .vocabSize(7)
        .axialPosEmbds(false)
        .maxPositionEmbeddings(8)
        .localAttnChunkLength(4)
        .lshAttnChunkLength(4)
        .isDecoder(true)
        .build();
  }

  @Test
  void operationsOfAnLshLayerAreCounted() {
    // T 8, window 8, 2 rounds; 2 chunks give 4 buckets, so 2 columns of rotations.
    BenchmarkWork work = BenchmarkWork.of(tiny(AttentionKind.LSH), 8, 2);
    assertEquals(3 * 2 * 8 * 2 * 3, work.projections());
    assertEquals(2 * 8 * 3 * 2 * 2, work.hash());
    assertEquals(2 * (2 * 8 * 8 * 3) * 2, work.attention());
    assertEquals(2 * (2 * 8 * 2 * 5), work.feedForward());
    assertEquals(2 * 4 * 7, work.headRow());
    assertEquals(288 + 192 + 1536 + 320 + 56, work.forward());
    // Forward 2336 without the row, recomputed 2144, gradients 2 * 608 and 2.5 * 1536, head 1344.
    assertEquals(2336 + 2144 + 1216 + 3840 + 1344, work.trainingStep());
  }

  @Test
  void operationsOfALocalLayerAreCounted() {
    BenchmarkWork work = BenchmarkWork.of(tiny(AttentionKind.LOCAL), 7, 2);
    assertEquals(4 * 2 * 7 * 2 * 3, work.projections());
    assertEquals(0, work.hash());
    assertEquals(4 * 7 * 3 * 8, work.attention(), "one round");
    BenchmarkWork whole = BenchmarkWork.of(tiny(AttentionKind.LSH), 3, 2);
    assertEquals(4 * 3 * 3 * 3, whole.attention(), "a chunk sees itself, once");
    assertEquals(0, whole.hash());
  }

  @Test
  void everyPartLeavesItsFields() throws IOException {
    CommandRun run = run("--seconds 60");
    assertEquals(0, run.code(), run.err());
    JsonNode json = json();
    for (String field : List.of("version", "date", "command", "seconds", "ceiling_gflops")) {
      assertTrue(json.hasNonNull(field), field);
    }
    assertTrue(json.get("command").asText().startsWith("reformer benchmark --out"));
    assertTrue(json.at("/machine/processors").asInt() > 0);
    assertTrue(json.at("/machine/processor").isTextual());
    assertTrue(json.at("/jvm/version").isTextual());
    assertEquals("reference", json.at("/backend/name").asText());
    assertTrue(json.at("/backend/description").asText().contains("1 threads"));
    assertEquals(1 + 3 * 2, json.get("gemm").size(), "square, and three shapes of two heights");
    assertEquals(4, json.get("forward").size());
    assertEquals(4, json.get("train").size());
    for (JsonNode entry : json.get("train")) {
      double seconds = entry.get("seconds").asDouble();
      assertTrue(seconds > 0 && seconds >= entry.get("seconds_fastest").asDouble());
      assertEquals(3, entry.get("repeats").asInt());
      assertTrue(entry.get("warm").asBoolean());
      double length = entry.get("length").asDouble();
      assertEquals(
          length / seconds, entry.get("tokens_per_second").asDouble(), 1e-6 * length / seconds);
      double rate = entry.get("gflop").asDouble() / seconds;
      assertEquals(rate, entry.get("gflops").asDouble(), 1e-9 * rate);
      double share = rate / json.get("ceiling_gflops").asDouble();
      assertEquals(share, entry.get("share_of_ceiling").asDouble(), 1e-9 * share);
      assertTrue(entry.get("peak_bytes").asLong() > 1000);
      assertEquals("generic", entry.at("/attention_path/lsh").asText());
      assertEquals("generic", entry.at("/attention_path/local").asText());
    }
    assertEquals("[16]", json.at("/train/3/buckets").asText(), "2 * 64 / 8, as Hugging Face");
    assertEquals(2, json.at("/decode/0/tokens").asInt());
    assertEquals(2, json.get("memory").size());
    assertEquals(0, json.get("cut").size());
    assertNotNull(ImageIO.read(folder.resolve("out/benchmark.png").toFile()));
    assertTrue(run.out().contains("tok/s"), run.out());
    assertTrue(run.err().contains("train of 64 tokens, 2 rounds"), run.err());
  }

  /** Buckets are all that a layer leaves behind: 32 numbers of 4 bytes per head and LSH layer. */
  @Test
  void memoryBeyondParametersIsFlatInDepth() throws IOException {
    CommandRun run = run("--what memory");
    assertEquals(0, run.code(), run.err());
    long two = json().at("/memory/0/step_bytes").asLong();
    long six = json().at("/memory/1/step_bytes").asLong();
    assertTrue(two > 0 && six - two <= 2 * 3 * 64 * 2 * 4, two + " and " + six);
  }

  /** Exact streams leave nothing behind; a policy keeps what its formula says. */
  @Test
  void memoryFollowsStreamsAndPolicy() throws IOException {
    assertEquals(0, run("--what memory --residual-arithmetic fixed_point").code());
    assertEquals(json().at("/memory/0/step_bytes"), json().at("/memory/1/step_bytes"));
    assertEquals(0, run("--what memory --memory-policy keep_attention").code());
    long two = json().at("/memory/0/step_bytes").asLong();
    long six = json().at("/memory/1/step_bytes").asLong();
    // Four layers of 32 tokens: two addends, the output and its log-sum-exp; two orders.
    assertEquals(4 * 32 * (16 + 16 + 16 + 2) * 4 + 2 * 32 * 2 * 4, six - two);
  }

  /** Operations are counted as if everything were recomputed, so no rate is given here. */
  @Test
  void stepsThatKeepActivationsHaveATimeButNoRate() throws IOException {
    CommandRun run = run("--what train --memory-policy keep_attention");
    assertEquals(0, run.code(), run.err());
    assertEquals("keep_attention", json().get("memory_policy").asText());
    assertEquals(4, json().get("train").size());
    for (JsonNode entry : json().get("train")) {
      assertTrue(entry.get("tokens_per_second").asDouble() > 0);
      assertFalse(entry.has("gflops") || entry.has("share_of_ceiling"));
    }
    assertFalse(run.out().lines().anyMatch(l -> l.startsWith("train") && l.contains("%")));
  }

  @Test
  void budgetCutsAndSaysWhat() throws IOException {
    CommandRun run = run("--seconds 0.000001");
    assertEquals(Main.FAILED, run.code(), "nothing measured");
    assertEquals(0, json().get("train").size());
    assertTrue(json().get("cut").toString().contains("train of 64 tokens, 2 rounds"));
    assertTrue(run.out().contains("cut, no time left: memory of 6 layers"), run.out());
    assertTrue(run.out().contains("plot not written"), run.out());
  }

  /** A clock that only calls move: 10 s each, 35 s of budget. */
  @Test
  void timerStopsBeforeTheBudgetEnds() {
    long[] now = {0};
    BenchmarkTimer timer = new BenchmarkTimer(() -> now[0], 35, 5);
    Runnable call = () -> now[0] += 10_000_000_000L;
    Optional<BenchmarkTimer.Timing> timing = timer.time(10, call);
    assertEquals(new BenchmarkTimer.Timing(10, 10, 10, 2, true), timing.orElseThrow());
    assertEquals(30, timer.elapsed(), 1e-9);
    assertTrue(timer.time(4, call).isEmpty(), "5.2 s with caution, 5 s left");
    timing = timer.time(3, call);
    assertFalse(timing.orElseThrow().warm(), "the only call counts");
    assertEquals(40, timer.elapsed(), 1e-9);
  }

  @Test
  void timerTakesTheMedianAfterWarmUp() {
    long[] now = {0};
    int[] calls = {0};
    BenchmarkTimer timer = new BenchmarkTimer(() -> now[0], 1000, 3);
    double seconds =
        timer
            .time(0, () -> now[0] += calls[0]++ == 0 ? 9_000_000_000L : calls[0] * 1_000_000_000L)
            .orElseThrow()
            .seconds();
    assertEquals(3, seconds, "warm-up 9, then 2, 3, 4");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--lengths 1X | --lengths must be numbers of tokens",
        "--lengths 0 | --lengths must be numbers of tokens",
        "--hashes 0 | --hashes must be at least 1",
        "--what forward,backward | --what",
        "--seconds 0 | --seconds",
        "--decode-tokens 1 | --decode-tokens at least 2",
        "--memory-policy some | --memory-policy",
        "--activation swish2 | use one of",
        "--layers 0 | --layers must be at least 1",
        "--kinds lhs | lhs",
        "--precision bfloat16 --backend reference | use precision float32, or the cuda backend",
        "--backend tpu | no backend 'tpu'",
      })
  void mistakes(String options, String message) {
    CommandRun run = CommandRun.of(("benchmark --out " + folder + "/none " + options).split(" "));
    assertEquals(Main.BAD_INPUT, run.code(), run.err());
    assertTrue(run.error().contains(message), run.err());
    assertFalse(Files.exists(folder.resolve("none")));
  }
}
