package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;

class SamplerTest {
  private static final int[] NO_CONTEXT = {};
  private static final float BARRED = Float.NEGATIVE_INFINITY;
  private static final SamplingOptions SAMPLE = SamplingOptions.UNCHANGED.withSeed(3);
  private static final int DRAWS = 20_000;

  /** Probabilities 0.15, 0.5, 0.05, 0.3: ids by falling probability are 1, 3, 0, 2. */
  private static final float[] LOGITS = {
    (float) Math.log(0.15), (float) Math.log(0.5), (float) Math.log(0.05), (float) Math.log(0.3)
  };

  @Test
  void greedyTakesTheBestAndTheLowestOfTies() {
    assertEquals(1, greedy(LOGITS));
    assertEquals(1, greedy(-1f, 2f, 2f, 0f));
    assertEquals(0, greedy(0f, 0f));
    assertEquals(0, greedy(-0f, 0f));
    assertEquals(2, greedy(BARRED, -9f, -8f));
    assertEquals(1, next(SAMPLE.withTemperature(0).withTopK(2).withTopP(0.1), LOGITS, 0));
  }

  @Test
  void penaltyDividesPositiveAndMultipliesNegativeLogitsOnce() {
    Sampler sampler = new Sampler(SamplingOptions.GREEDY.withRepetitionPenalty(2));
    // 3 / 2 < 2, however often token 0 occurs; a second division would fall behind token 2, too.
    assertEquals(1, sampler.next(new float[] {3f, 2f, 1f}, new int[] {0, 0}, 2, 0));
    assertEquals(0, sampler.next(new float[] {3f, 1.4f, 1f}, new int[] {0, 0, 0}, 3, 0));
    assertEquals(1, sampler.next(new float[] {-1f, -1.5f}, new int[] {0}, 1, 0));
    assertEquals(0, sampler.next(new float[] {-1f, -2.5f}, new int[] {0}, 1, 0));
  }

  @Test
  void penaltyReadsOnlyTheContext() {
    Sampler sampler = new Sampler(SamplingOptions.GREEDY.withRepetitionPenalty(2));
    assertEquals(0, sampler.next(new float[] {3f, 2f}, new int[] {1, 0, 99}, 1, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> sampler.next(new float[] {3f, 2f}, new int[] {1, 2}, 2, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> sampler.next(new float[] {3f, 2f}, new int[] {1}, 2, 0));
  }

  @Test
  void frequenciesFollowTheDistribution() {
    assertFrequencies(SAMPLE, 0.15, 0.5, 0.05, 0.3);
    // Square roots of the probabilities, normalized.
    assertFrequencies(SAMPLE.withTemperature(2), 0.2076, 0.3790, 0.1199, 0.2936);
    // Squares of the probabilities, normalized.
    assertFrequencies(SAMPLE.withTemperature(0.5), 0.0616, 0.6849, 0.0068, 0.2466);
  }

  @Test
  void topKKeepsTheMostProbable() {
    assertEquals(Set.of(1), drawn(SAMPLE.withTopK(1), LOGITS));
    assertFrequencies(SAMPLE.withTopK(2), 0, 0.625, 0, 0.375);
    assertEquals(Set.of(0, 1, 3), drawn(SAMPLE.withTopK(3), LOGITS));
    assertEquals(Set.of(0, 1, 2, 3), drawn(SAMPLE.withTopK(4), LOGITS));
    assertEquals(Set.of(0, 1, 2, 3), drawn(SAMPLE.withTopK(100), LOGITS));
  }

  @Test
  void topKKeepsWhatEqualsTheLast() {
    assertEquals(Set.of(1, 2, 4), drawn(SAMPLE.withTopK(2), -1f, 2f, 1f, -3f, 1f));
  }

  @Test
  void topPKeepsTheSmallestSetWithEnoughMass() {
    assertEquals(Set.of(1), drawn(SAMPLE.withTopP(1e-9), LOGITS));
    assertEquals(Set.of(1), drawn(SAMPLE.withTopP(0.49), LOGITS));
    assertFrequencies(SAMPLE.withTopP(0.51), 0, 0.625, 0, 0.375);
    assertEquals(Set.of(1, 3), drawn(SAMPLE.withTopP(0.79), LOGITS));
    assertEquals(Set.of(0, 1, 3), drawn(SAMPLE.withTopP(0.81), LOGITS));
    assertEquals(Set.of(0, 1, 3), drawn(SAMPLE.withTopP(0.94), LOGITS));
    assertEquals(Set.of(0, 1, 2, 3), drawn(SAMPLE.withTopP(0.96), LOGITS));
  }

  @Test
  void topPTakesTheLowestIdsOfTies() {
    assertEquals(Set.of(0, 1), drawn(SAMPLE.withTopP(0.4), 0f, 0f, 0f, -0f));
  }

  @Test
  void temperatureComesBeforeTopP() {
    assertEquals(Set.of(1), drawn(SAMPLE.withTopP(0.45), LOGITS));
    assertEquals(Set.of(1, 3), drawn(SAMPLE.withTopP(0.45).withTemperature(2), LOGITS));
  }

  @Test
  void topKComesBeforeTopP() {
    assertEquals(Set.of(1, 3), drawn(SAMPLE.withTopP(0.6), LOGITS));
    assertEquals(Set.of(1), drawn(SAMPLE.withTopP(0.6).withTopK(2), LOGITS));
  }

  @Test
  void penaltyComesBeforeTopK() {
    Sampler sampler = new Sampler(SAMPLE.withTopK(1).withRepetitionPenalty(2));
    assertEquals(1, sampler.next(new float[] {3f, 2f}, new int[] {0}, 1, 0));
  }

  @Test
  void barredTokensAreNeverChosen() {
    assertEquals(Set.of(1, 3), drawn(SAMPLE, BARRED, 0f, BARRED, 0f));
    assertEquals(Set.of(1, 3), drawn(SAMPLE.withTopK(3), BARRED, 0f, BARRED, 0f));
    assertEquals(Set.of(1, 3), drawn(SAMPLE.withTopP(0.999), BARRED, 0f, BARRED, 0f));
  }

  @Test
  void extremeTemperaturesAreSafe() {
    assertEquals(Set.of(1), drawn(SAMPLE.withTemperature(Double.MIN_VALUE), LOGITS));
    assertEquals(Set.of(0, 1, 2, 3), drawn(SAMPLE.withTemperature(Double.MAX_VALUE), LOGITS));
    assertEquals(Set.of(1), drawn(SAMPLE, -3e38f, 3e38f));
  }

  @Test
  void equalSeedsGiveEqualChoices() {
    Sampler first = new Sampler(SAMPLE);
    Sampler second = new Sampler(SAMPLE);
    Sampler other = new Sampler(SAMPLE.withSeed(4));
    StringBuilder firsts = new StringBuilder();
    StringBuilder others = new StringBuilder();
    for (int position = 0; position < 200; position++) {
      int choice = first.next(LOGITS, NO_CONTEXT, 0, position);
      second.next(new float[7], NO_CONTEXT, 0, 12345);
      assertEquals(choice, second.next(LOGITS, NO_CONTEXT, 0, position));
      firsts.append(choice);
      others.append(other.next(LOGITS, NO_CONTEXT, 0, position));
    }
    assertNotEquals(firsts.toString(), others.toString());
  }

  @Test
  void drawsComeFromTheDocumentedStream() {
    Philox.Stream stream = new Philox.Stream(3, 0, 0, RandomPurpose.SAMPLING);
    float[] logits = new float[10];
    for (int position = 0; position < 100; position++) {
      assertEquals((int) (stream.uniform(position) * 10), next(SAMPLE, logits, position));
    }
  }

  @Test
  void logitsAreNotChanged() {
    float[] logits = {3f, 2f, 1f};
    new Sampler(new SamplingOptions(0.5, 2, 0.9, 1.5, 0)).next(logits, new int[] {0}, 1, 0);
    assertArrayEquals(new float[] {3f, 2f, 1f}, logits);
  }

  @Test
  void logitsThatAreNoNumbersAreRefused() {
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class, () -> next(SAMPLE, new float[] {0, Float.NaN}, 5));
    assertTrue(
        thrown.getMessage().startsWith("the logit of token 1 at position 5 is NaN"),
        thrown.getMessage());
    assertThrows(IllegalArgumentException.class, () -> greedy(Float.NaN, 1f));
    assertThrows(IllegalArgumentException.class, () -> greedy(0f, Float.POSITIVE_INFINITY));
    assertThrows(IllegalArgumentException.class, () -> greedy(BARRED, BARRED));
    assertThrows(IllegalArgumentException.class, () -> greedy());
    assertThrows(IllegalArgumentException.class, () -> next(SAMPLE, LOGITS, -1));
  }

  private static int greedy(float... logits) {
    return next(SamplingOptions.GREEDY, logits, 0);
  }

  private static int next(SamplingOptions options, float[] logits, long position) {
    return new Sampler(options).next(logits, NO_CONTEXT, 0, position);
  }

  private static Set<Integer> drawn(SamplingOptions options, float... logits) {
    Sampler sampler = new Sampler(options);
    Set<Integer> ids = new TreeSet<>();
    for (int position = 0; position < 2000; position++) {
      ids.add(sampler.next(logits, NO_CONTEXT, 0, position));
    }
    return ids;
  }

  private static void assertFrequencies(SamplingOptions options, double... expected) {
    Sampler sampler = new Sampler(options);
    int[] counts = new int[expected.length];
    for (int position = 0; position < DRAWS; position++) {
      counts[sampler.next(LOGITS, NO_CONTEXT, 0, position)]++;
    }
    for (int id = 0; id < expected.length; id++) {
      // Four standard deviations of a binomial count; a token that is out never comes.
      double tolerance = 4 * Math.sqrt(DRAWS * expected[id] * (1 - expected[id]));
      assertEquals(DRAWS * expected[id], counts[id], tolerance, "token " + id);
    }
  }
}
