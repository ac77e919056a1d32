package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class SamplingOptionsTest {
  private static final SamplingOptions START = SamplingOptions.UNCHANGED;

  @Test
  void withersChangeOneValue() {
    SamplingOptions expected = new SamplingOptions(0.7, 40, 0.9, 1.2, 5);
    assertEquals(
        expected,
        SamplingOptions.GREEDY
            .withSeed(5)
            .withRepetitionPenalty(1.2)
            .withTopP(0.9)
            .withTopK(40)
            .withTemperature(0.7));
    assertEquals(
        new SamplingOptions(0.7, 40, 0.9, 0.1, 0.8, 1.2, 3, 5),
        expected.withMinP(0.1).withTypicalP(0.8).withNoRepeatNgramSize(3));
    assertTrue(SamplingOptions.GREEDY.greedy());
    assertFalse(START.greedy());
    assertEquals(SamplingOptions.GREEDY, START.withTemperature(0));
  }

  @Test
  void valuesOutOfRangeAreRefusedByName() {
    assertRefused("temperature", () -> START.withTemperature(-0.1));
    assertRefused("temperature", () -> START.withTemperature(Double.NaN));
    assertRefused("temperature", () -> START.withTemperature(Double.POSITIVE_INFINITY));
    assertRefused("topK", () -> START.withTopK(-1));
    assertRefused("topP", () -> START.withTopP(0));
    assertRefused("topP", () -> START.withTopP(1.01));
    assertRefused("topP", () -> START.withTopP(Double.NaN));
    assertRefused("minP", () -> START.withMinP(-0.1));
    assertRefused("minP", () -> START.withMinP(1.01));
    assertRefused("typicalP", () -> START.withTypicalP(0));
    assertRefused("typicalP", () -> START.withTypicalP(Double.NaN));
    assertRefused("noRepeatNgramSize", () -> START.withNoRepeatNgramSize(-1));
    assertRefused("repetitionPenalty", () -> START.withRepetitionPenalty(0));
    assertRefused("repetitionPenalty", () -> START.withRepetitionPenalty(1e-60));
    assertRefused("repetitionPenalty", () -> START.withRepetitionPenalty(1e60));
    assertRefused("repetitionPenalty", () -> START.withRepetitionPenalty(Double.NaN));
  }

  private static void assertRefused(String name, Executable executable) {
    IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, executable);
    assertTrue(thrown.getMessage().startsWith(name), thrown.getMessage());
  }
}
