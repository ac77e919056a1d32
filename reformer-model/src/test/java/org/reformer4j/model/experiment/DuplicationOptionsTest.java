package org.reformer4j.model.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ResidualArithmetic;

class DuplicationOptionsTest {
  private static DuplicationOptions of(int length, int hidden, int heads, int chunk, int steps) {
    return of(length, hidden, heads, chunk, steps, LshSelection.SORTED);
  }

  private static DuplicationOptions of(
      int length, int hidden, int heads, int chunk, int steps, LshSelection selection) {
    return new DuplicationOptions(
        length, hidden, heads, 8, chunk, steps, 2, 0.01, 4, selection, ResidualArithmetic.FLOAT);
  }

  @Test
  void fullAttentionIsThatOfOneChunk() {
    DuplicationOptions options = of(64, 8, 2, 16, 10);
    ReformerConfig full = options.config(AttentionSetting.FULL);
    ReformerConfig lsh = options.config(new AttentionSetting(4));
    assertEquals(64, full.lshAttnChunkLength());
    assertEquals(16, lsh.lshAttnChunkLength());
    assertEquals(4, lsh.numHashes());
    assertEquals(List.of(8), lsh.bucketFactors(64), "two buckets for each chunk");
    // All else is the same, or the weights would not fit.
    assertEquals(lsh.toBuilder().lshAttnChunkLength(64).numHashes(1).build(), full);
  }

  /** The whole sequence is within reach; full attention is the same as with sorted selection. */
  @Test
  void causalSelectionHasLargerBucketsAndLooksFurtherBack() {
    DuplicationOptions options = of(64, 8, 2, 16, 10, LshSelection.CAUSAL);
    ReformerConfig lsh = options.config(new AttentionSetting(4));
    assertEquals(LshSelection.CAUSAL, lsh.lshSelection());
    assertEquals(List.of(2), lsh.bucketFactors(64));
    assertEquals(64, lsh.reach());
    ReformerConfig full = options.config(AttentionSetting.FULL);
    assertEquals(LshSelection.SORTED, full.lshSelection());
    assertEquals(64, full.lshAttnChunkLength());
  }

  @Test
  void thePaperIsThePaper() {
    ReformerConfig config = DuplicationOptions.PAPER.config(new AttentionSetting(2));
    assertEquals(1024, DuplicationOptions.PAPER.length());
    assertEquals(1, config.numHiddenLayers());
    assertEquals(256, config.hiddenSize());
    assertEquals(256, config.feedForwardSize());
    assertEquals(4, config.numAttentionHeads());
    assertEquals(128, config.vocabSize());
    assertEquals(150_000, DuplicationOptions.PAPER.training(0).rate().totalSteps());
  }

  @ParameterizedTest
  @CsvSource({
    "64, 9, 2, 16, 10, multiple of heads",
    "64, 8, 0, 16, 10, multiple of heads",
    "64, 8, 2, 64, 10, nothing to hash",
    "64, 8, 2, 0, 10, chunkLength",
    "64, 8, 2, 16, 0, steps",
  })
  void mistakes(int length, int hidden, int heads, int chunk, int steps, String message) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> of(length, hidden, heads, chunk, steps));
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void labelsAreThoseOfThePaper() {
    assertEquals("full", AttentionSetting.FULL.label());
    assertEquals("LSH-8", new AttentionSetting(8).label());
    assertThrows(IllegalArgumentException.class, () -> new AttentionSetting(-1));
  }
}
