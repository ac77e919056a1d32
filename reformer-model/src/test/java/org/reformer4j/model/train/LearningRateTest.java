package org.reformer4j.model.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.model.train.LearningRate.Schedule;

class LearningRateTest {
  private static final float TOLERANCE = 1e-9f;

  @ParameterizedTest
  @EnumSource(Schedule.class)
  void warmUpIsLinearAndEndsAtThePeak(Schedule schedule) {
    LearningRate rate = new LearningRate(schedule, 0.01, 0.001, 4, 20);
    assertRates(rate, 1, 0.0025f, 0.005f, 0.0075f, 0.01f);
  }

  @Test
  void constant() {
    LearningRate rate = new LearningRate(Schedule.CONSTANT, 0.01, 0, 4, 0);
    assertRates(rate, 4, 0.01f, 0.01f, 0.01f);
    assertEquals(0.01f, rate.at(1_000_000_000_000L));
    assertEquals(0.5f, LearningRate.constant(0.5).at(1));
  }

  @Test
  void linear() {
    LearningRate rate = new LearningRate(Schedule.LINEAR, 0.01, 0.002, 4, 8);
    assertRates(rate, 4, 0.01f, 0.008f, 0.006f, 0.004f, 0.002f, 0.002f);
    assertEquals(0.002f, rate.at(1000));
  }

  @Test
  void cosine() {
    LearningRate rate = new LearningRate(Schedule.COSINE, 0.01, 0.002, 4, 8);
    // cos of 0, pi/4, pi/2, 3*pi/4, pi: 0.002 + 0.004 * (1 + cos).
    assertRates(rate, 4, 0.01f, 0.0088284271f, 0.006f, 0.0031715729f, 0.002f, 0.002f);
    assertEquals(0.002f, rate.at(1000));
  }

  @Test
  void inverseSquareRoot() {
    LearningRate rate = new LearningRate(Schedule.INVERSE_SQUARE_ROOT, 0.01, 0.0001, 4, 0);
    assertRates(rate, 4, 0.01f, 0.0089442719f);
    assertEquals(0.005f, rate.at(16), TOLERANCE);
    assertEquals(0.0002f, rate.at(10_000), TOLERANCE);
    assertEquals(0.0001f, rate.at(40_000), TOLERANCE);
    assertEquals(0.0001f, rate.at(90_000), TOLERANCE);
  }

  @Test
  void withoutWarmUpTheDecayStartsAtOnce() {
    assertRates(new LearningRate(Schedule.LINEAR, 0.01, 0, 0, 4), 1, 0.0075f, 0.005f, 0.0025f, 0f);
    assertRates(
        new LearningRate(Schedule.COSINE, 0.01, 0, 0, 4), 1, 0.0085355339f, 0.005f, 0.0014644661f);
    assertRates(
        new LearningRate(Schedule.INVERSE_SQUARE_ROOT, 0.01, 0, 0, 0), 1, 0.01f, 0.0070710678f);
    assertRates(new LearningRate(Schedule.CONSTANT, 0.01, 0, 0, 0), 1, 0.01f);
  }

  @Test
  void valuesOutOfRangeAreRefusedByName() {
    assertRefused("peak", () -> new LearningRate(Schedule.CONSTANT, 0, 0, 0, 0));
    assertRefused("peak", () -> LearningRate.constant(Double.NaN));
    assertRefused("peak", () -> LearningRate.constant(Double.POSITIVE_INFINITY));
    assertRefused("minimum", () -> new LearningRate(Schedule.LINEAR, 0.1, 0.2, 0, 9));
    assertRefused("minimum", () -> new LearningRate(Schedule.LINEAR, 0.1, -0.1, 0, 9));
    assertRefused("warmupSteps", () -> new LearningRate(Schedule.LINEAR, 0.1, 0, -1, 9));
    assertRefused("totalSteps", () -> new LearningRate(Schedule.LINEAR, 0.1, 0, 9, 9));
    assertRefused("totalSteps", () -> new LearningRate(Schedule.COSINE, 0.1, 0, 0, 0));
    assertRefused("step", () -> LearningRate.constant(0.1).at(0));
  }

  private static void assertRefused(String name, Executable executable) {
    IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, executable);
    assertTrue(thrown.getMessage().startsWith(name), thrown.getMessage());
  }

  private static void assertRates(LearningRate rate, long firstStep, float... expected) {
    for (int i = 0; i < expected.length; i++) {
      long step = firstStep + i;
      assertEquals(expected[i], rate.at(step), TOLERANCE, "step " + step);
    }
  }
}
