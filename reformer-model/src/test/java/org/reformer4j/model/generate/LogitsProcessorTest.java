package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reformer4j.model.generate.LogitsProcessor.BARRED;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Processors against numbers made by hand, and against their definitions on random logits. */
class LogitsProcessorTest {
  private static final TokenHistory NOTHING = TokenHistory.of();
  private static final int CASES = 400;

  private static float[] run(LogitsProcessor processor, TokenHistory context, float... logits) {
    float[] changed = logits.clone();
    processor.process(changed, context);
    return changed;
  }

  private static float[] logs(double... probabilities) {
    float[] logits = new float[probabilities.length];
    IntStream.range(0, logits.length).forEach(i -> logits[i] = (float) Math.log(probabilities[i]));
    return logits;
  }

  private static Set<Integer> kept(LogitsProcessor processor, float... logits) {
    float[] changed = run(processor, NOTHING, logits);
    Set<Integer> ids = new TreeSet<>();
    for (int id = 0; id < logits.length; id++) {
      if (changed[id] != BARRED) {
        assertEquals(logits[id], changed[id], "a limit bars, and changes nothing else");
        ids.add(id);
      }
    }
    return ids;
  }

  /** Random logits, some equal, some barred. */
  private static float[] random(Random random) {
    float[] logits = new float[2 + random.nextInt(12)];
    for (int id = 0; id < logits.length; id++) {
      boolean barred = id > 0 && random.nextInt(8) == 0;
      logits[id] = barred ? BARRED : random.nextInt(2000) / 250f - 4;
      if (id > 0 && random.nextInt(4) == 0) {
        logits[id] = logits[id - 1];
      }
    }
    return logits;
  }

  private static double[] softmax(float[] logits) {
    double[] p = new double[logits.length];
    double total = 0;
    for (int id = 0; id < p.length; id++) {
      p[id] = Math.exp(logits[id]);
      total += p[id];
    }
    for (int id = 0; id < p.length; id++) {
      p[id] /= total;
    }
    return p;
  }

  private static List<Integer> sorted(Comparator<Integer> order, int count) {
    List<Integer> ids = new ArrayList<>(IntStream.range(0, count).boxed().toList());
    ids.sort(order.thenComparing(Comparator.naturalOrder()));
    return ids;
  }

  @Test
  void repetitionPenaltyByHand() {
    assertArrayEquals(
        new float[] {1.5f, 2f, -2f, 0f, BARRED, -1f},
        run(
            LogitsProcessor.repetitionPenalty(2),
            TokenHistory.of(0, 2, 0, 3, 4),
            3f,
            2f,
            -1f,
            0f,
            BARRED,
            -1f));
    assertThrows(
        IllegalArgumentException.class,
        () -> run(LogitsProcessor.repetitionPenalty(2), TokenHistory.of(2), 1f, 1f));
  }

  @Test
  void repeatedNgramsByHand() {
    // 1 2 came before 3 and before 0; the text ends with 1 2.
    TokenHistory context = TokenHistory.of(1, 2, 3, 1, 2, 0, 1, 2);
    assertEquals(Set.of(1, 2), allowed(3, context));
    // 2 came before 3 and 0.
    assertEquals(Set.of(1, 2), allowed(2, context));
    assertEquals(Set.of(), allowed(1, context));
    assertEquals(Set.of(0, 1, 2), allowed(4, TokenHistory.of(0, 1, 2, 3, 0, 1, 2)));
    assertEquals(Set.of(0, 1, 2, 3), allowed(8, context));
    assertEquals(Set.of(0, 1, 2, 3), allowed(9, context));
  }

  private static Set<Integer> allowed(int size, TokenHistory context) {
    float[] changed = run(LogitsProcessor.noRepeatNgram(size), context, 1f, 1f, 1f, 1f);
    Set<Integer> ids = new TreeSet<>();
    IntStream.range(0, 4).filter(id -> changed[id] != BARRED).forEach(ids::add);
    return ids;
  }

  @Test
  void ngramsNeverRepeat() {
    for (int seed = 0; seed < 60; seed++) {
      int size = 1 + seed % 4;
      int[] prompt = new Random(seed).ints(5, 0, 3).toArray();
      SamplingOptions sampling =
          SamplingOptions.UNCHANGED.withSeed(seed).withNoRepeatNgramSize(size);
      int[] text =
          new Generator(
                  () -> new FakeDecoder(FakeDecoder.random(6, 1, 1), 99, new FakeDecoder.Counts()))
              .generate(prompt, GenerationOptions.of(30, sampling))
              .get(0)
              .tokens();
      List<Integer> all =
          IntStream.concat(Arrays.stream(prompt), Arrays.stream(text)).boxed().toList();
      Set<List<Integer>> seen = new HashSet<>();
      for (int end = size; end <= all.size(); end++) {
        boolean fresh = seen.add(all.subList(end - size, end));
        assertTrue(fresh || end <= prompt.length, "seed " + seed + " at " + end + " of " + all);
      }
      assertTrue(text.length > 0, "some token was allowed");
    }
  }

  @Test
  void badWordsByHand() {
    LogitsProcessor words =
        LogitsProcessor.badWords(List.of(new int[] {3}, new int[] {1, 2}, new int[] {0, 1, 0}));
    float[] ones = {1f, 1f, 1f, 1f};
    assertArrayEquals(new float[] {1f, 1f, 1f, BARRED}, run(words, NOTHING, ones));
    assertArrayEquals(
        new float[] {BARRED, 1f, BARRED, BARRED}, run(words, TokenHistory.of(2, 0, 1), ones));
    assertArrayEquals(new float[] {1f, 1f, BARRED, BARRED}, run(words, TokenHistory.of(1), ones));
    assertThrows(
        IllegalArgumentException.class, () -> LogitsProcessor.badWords(List.of(new int[] {})));
    assertThrows(
        IllegalArgumentException.class,
        () -> run(LogitsProcessor.badWords(List.of(new int[] {9})), NOTHING, ones));
  }

  @Test
  void minNewTokensCountsWhatWasAdded() {
    LogitsProcessor least = LogitsProcessor.minNewTokens(2, Set.of(1, 77));
    TokenHistory context = TokenHistory.of(0, 0, 0);
    for (int added = 0; added < 4; added++) {
      float expected = added < 2 ? BARRED : 5f;
      assertArrayEquals(new float[] {4f, expected}, run(least, context, 4f, 5f));
      context.add(0);
    }
  }

  @Test
  void temperatureDividesTheDifferences() {
    assertArrayEquals(
        new float[] {-4f, 0f, BARRED, -1f},
        run(LogitsProcessor.temperature(0.5), NOTHING, 1f, 3f, BARRED, 2.5f));
    assertArrayEquals(
        new float[] {BARRED, BARRED}, run(LogitsProcessor.temperature(2), NOTHING, BARRED, BARRED));
  }

  @Test
  void limitsByHand() {
    float[] logits = logs(0.15, 0.5, 0.05, 0.3);
    assertEquals(Set.of(1, 3), kept(LogitsProcessor.topK(2), logits));
    assertEquals(Set.of(1, 3), kept(LogitsProcessor.topP(0.79), logits));
    assertEquals(Set.of(0, 1, 3), kept(LogitsProcessor.topP(0.81), logits));
    // 0.2999 * 0.5 is below 0.15, 0.3001 * 0.5 above.
    assertEquals(Set.of(0, 1, 3), kept(LogitsProcessor.minP(0.2999), logits));
    assertEquals(Set.of(1, 3), kept(LogitsProcessor.minP(0.3001), logits));
    assertEquals(Set.of(1), kept(LogitsProcessor.minP(1), logits));
    // Entropy 1.1421; information 1.897, 0.693, 2.996, 1.204: nearest first 3, 1, 0, 2.
    assertEquals(Set.of(3), kept(LogitsProcessor.typicalP(0.29), logits));
    assertEquals(Set.of(1, 3), kept(LogitsProcessor.typicalP(0.31), logits));
    assertEquals(Set.of(1, 3), kept(LogitsProcessor.typicalP(0.79), logits));
    assertEquals(Set.of(0, 1, 3), kept(LogitsProcessor.typicalP(0.81), logits));
    assertEquals(Set.of(0, 1, 2, 3), kept(LogitsProcessor.typicalP(0.96), logits));
  }

  @Test
  void topKIsWhatIsDefined() {
    Random random = new Random(1);
    for (int i = 0; i < CASES; i++) {
      float[] logits = random(random);
      int count = 1 + random.nextInt(logits.length + 2);
      Set<Integer> expected = new TreeSet<>();
      for (int id = 0; id < logits.length; id++) {
        float mine = logits[id];
        long better = IntStream.range(0, logits.length).filter(o -> logits[o] > mine).count();
        if (better < count && mine != BARRED) {
          expected.add(id);
        }
      }
      assertEquals(expected, kept(LogitsProcessor.topK(count), logits));
    }
  }

  @Test
  void topPIsTheSmallestSetWithTheMass() {
    Random random = new Random(2);
    for (int i = 0; i < CASES; i++) {
      float[] logits = random(random);
      double[] p = softmax(logits);
      double mass = 0.01 + 0.985 * random.nextDouble();
      Set<Integer> expected = new TreeSet<>();
      double sum = 0;
      for (int id : sorted(Comparator.comparingDouble(o -> -p[o]), p.length)) {
        if (sum < mass) {
          expected.add(id);
        }
        sum += p[id];
      }
      assertEquals(expected, kept(LogitsProcessor.topP(mass), logits), Arrays.toString(logits));
    }
  }

  @Test
  void minPIsAShareOfTheLargest() {
    Random random = new Random(3);
    for (int i = 0; i < CASES; i++) {
      float[] logits = random(random);
      double[] p = softmax(logits);
      double share = random.nextDouble();
      double least = share * Arrays.stream(p).max().orElseThrow();
      Set<Integer> expected = new TreeSet<>();
      IntStream.range(0, p.length).filter(id -> p[id] >= least && p[id] > 0).forEach(expected::add);
      assertEquals(expected, kept(LogitsProcessor.minP(share), logits));
    }
  }

  @Test
  void typicalPIsNearestToTheEntropy() {
    Random random = new Random(4);
    for (int i = 0; i < CASES; i++) {
      float[] logits = random(random);
      double[] p = softmax(logits);
      double mass = 0.01 + 0.985 * random.nextDouble();
      double entropy = 0;
      for (double q : p) {
        entropy -= q > 0 ? q * Math.log(q) : 0;
      }
      double[] away = new double[p.length];
      for (int id = 0; id < p.length; id++) {
        away[id] = Math.abs(-Math.log(p[id]) - entropy);
      }
      double sum = 0;
      double farthest = 0;
      for (int id : sorted(Comparator.comparingDouble(o -> away[o]), p.length)) {
        if (sum < mass) {
          farthest = away[id];
        }
        sum += p[id];
      }
      // Equal logits are equally far, whatever is rounded.
      double limit = farthest + 1e-6;
      Set<Integer> expected = new TreeSet<>();
      IntStream.range(0, p.length).filter(id -> away[id] <= limit).forEach(expected::add);
      assertEquals(expected, kept(LogitsProcessor.typicalP(mass), logits), "" + i);
    }
  }

  @Test
  void limitsComeInHuggingFacesOrder() {
    SamplingOptions all =
        SamplingOptions.UNCHANGED
            .withTemperature(1.7)
            .withTopK(9)
            .withTopP(0.9)
            .withMinP(0.05)
            .withTypicalP(0.8)
            .withSeed(5);
    Random random = new Random(6);
    for (int i = 0; i < 50; i++) {
      float[] logits = new float[14];
      IntStream.range(0, 14).forEach(id -> logits[id] = (float) random.nextGaussian() * 2);
      float[] expected = logits.clone();
      for (LogitsProcessor one :
          List.of(
              LogitsProcessor.temperature(1.7),
              LogitsProcessor.topK(9),
              LogitsProcessor.topP(0.9),
              LogitsProcessor.minP(0.05),
              LogitsProcessor.typicalP(0.8))) {
        one.process(expected, NOTHING);
      }
      Set<Integer> drawn = new TreeSet<>();
      Sampler sampler = new Sampler(all);
      for (int position = 0; position < 1500; position++) {
        drawn.add(sampler.next(logits, new int[0], 0, position));
      }
      Set<Integer> possible = new TreeSet<>();
      IntStream.range(0, 14).filter(id -> expected[id] != BARRED).forEach(possible::add);
      assertEquals(possible, drawn);
    }
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertRefused("repetitionPenalty", () -> LogitsProcessor.repetitionPenalty(0));
    assertRefused("size", () -> LogitsProcessor.noRepeatNgram(0));
    assertRefused("temperature", () -> LogitsProcessor.temperature(0));
    assertRefused("topK", () -> LogitsProcessor.topK(0));
    assertRefused("topP", () -> LogitsProcessor.topP(0));
    assertRefused("minP", () -> LogitsProcessor.minP(1.1));
    assertRefused("minP", () -> LogitsProcessor.minP(Double.NaN));
    assertRefused("typicalP", () -> LogitsProcessor.typicalP(1.1));
  }

  private static void assertRefused(String name, Executable executable) {
    IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, executable);
    assertTrue(thrown.getMessage().startsWith(name), thrown.getMessage());
  }
}
