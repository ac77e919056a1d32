package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.generate.CachedDecoder;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.RecomputingDecoder;
import org.reformer4j.model.generate.SamplingOptions;

/** What a causal selection promises: the past alone decides, in the whole text and in a cache. */
class CausalSelectionTest {
  private static final int LENGTH = 90;
  private static final CallOptions CALL = CallOptions.EVALUATION;

  /**
   * On a card the library of products may sum in another order for another number of rows; then
   * logits differ by rounding.
   */
  private static float otherRows(String backend) {
    boolean card = TestBackends.isCard(backend);
    return card ? 1e-4f : 0f;
  }

  static Stream<Arguments> models() {
    return TestBackends.with(
        List.of(
            List.of(false, ResidualArithmetic.FLOAT, 2),
            List.of(true, ResidualArithmetic.FLOAT, 3),
            List.of(true, ResidualArithmetic.FIXED_POINT, 1)));
  }

  private static ReformerModel model(
      Backend backend, List<Object> choices, LshSelection selection) {
    ReformerConfig config =
        ReformerConfig.builder()
            .attnLayers(List.of(AttentionKind.LSH, AttentionKind.LOCAL, AttentionKind.LSH))
            .hiddenSize(16)
            .numAttentionHeads(2)
            .attentionHeadSize(8)
            .feedForwardSize(24)
            .vocabSize(40)
            .isDecoder(true)
            .axialPosEmbds(false)
            .maxPositionEmbeddings(128)
            .localAttnChunkLength(8)
            .lshAttnChunkLength(4)
            .lshNumChunksBefore((int) choices.get(2))
            .numBuckets(List.of(4, 2))
            .numHashes(3)
            .initializerRange(0.4)
            .lshSelection(selection)
            .lshDistinctKeys((boolean) choices.get(0))
            .lshHashing(LshHashing.INTEGER)
            .residualArithmetic((ResidualArithmetic) choices.get(1))
            .build();
    return ReformerModel.create(config, backend, Precision.FLOAT32, 5);
  }

  private static int[] text(int seed) {
    return new Random(seed).ints(LENGTH, 0, 40).toArray();
  }

  @ParameterizedTest
  @MethodSource("models")
  void noLaterTokenChangesAnything(String name, List<Object> choices) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend, choices, LshSelection.CAUSAL)) {
      int[] ids = text(1);
      float[] whole = model.logits(Batch.of(ids), CALL);
      for (int changed : new int[] {1, 4, 37, LENGTH - 1}) {
        int[] others = ids.clone();
        for (int t = changed; t < LENGTH; t++) {
          others[t] = (ids[t] + 1 + t % 7) % 40;
        }
        int before = changed * 40;
        float[] expected = Arrays.copyOf(whole, before);
        float[] replaced = Arrays.copyOf(model.logits(Batch.of(others), CALL), before);
        assertArrayEquals(expected, replaced, "tokens from " + changed + " on");
        float[] cut = model.logits(Batch.of(Arrays.copyOf(ids, changed)), CALL);
        assertArrayEquals(expected, cut, otherRows(name), "the first " + changed + " tokens alone");
      }
    }
  }

  /** So that the test above does not hold for any selection. */
  @ParameterizedTest
  @MethodSource("models")
  void theSortedSelectionLeaks(String name, List<Object> choices) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend, choices, LshSelection.SORTED)) {
      int[] ids = text(1);
      float[] whole = model.logits(Batch.of(ids), CALL);
      ids[LENGTH - 1] = (ids[LENGTH - 1] + 1) % 40;
      float[] changed = model.logits(Batch.of(ids), CALL);
      int before = (LENGTH - 1) * 40;
      assertTrue(Arrays.mismatch(whole, 0, before, changed, 0, before) >= 0);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void theCacheGivesTheWholeText(String name, List<Object> choices) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend, choices, LshSelection.CAUSAL)) {
      int[] ids = text(2);
      float[] whole = model.logits(Batch.of(ids), CALL);
      boolean exact = name.equals("reference");
      for (int prompt : new int[] {1, 3, 8, 50}) {
        try (DecodeCache cache = model.decodeCache(CALL)) {
          compare(whole, prompt, cache.prompt(Batch.of(Arrays.copyOf(ids, prompt))), exact);
          // Token by token, then several at a time.
          int at = prompt;
          for (; at < prompt + 12; at++) {
            compare(whole, at + 1, cache.append(ids[at]), exact);
          }
          int[][] rest = {Arrays.copyOfRange(ids, at, LENGTH)};
          compare(whole, LENGTH, cache.append(rest), exact);
          // Going back into the prompt is as if it had ended there.
          cache.rewind(prompt == 1 ? 1 : prompt - 1);
          int back = prompt == 1 ? 1 : prompt - 1;
          compare(whole, back + 1, cache.append(ids[back]), exact);
        }
      }
    }
  }

  private static void compare(float[] whole, int tokens, float[] logits, boolean exact) {
    float[] expected = Arrays.copyOfRange(whole, (tokens - 1) * 40, tokens * 40);
    assertArrayEquals(expected, logits, exact ? 0f : 1e-4f, "after " + tokens + " tokens");
  }

  @ParameterizedTest
  @MethodSource("models")
  void neighboursChangeNothing(String name, List<Object> choices) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend, choices, LshSelection.CAUSAL)) {
      int[] ids = Arrays.copyOf(text(3), 41);
      float[] alone = model.logits(Batch.of(ids), CALL);
      Batch ragged = Batch.of(text(4), ids, Arrays.copyOf(text(5), 1));
      float[] all = model.logits(ragged, CALL);
      float[] beside = Arrays.copyOfRange(all, LENGTH * 40, (LENGTH + 41) * 40);
      assertArrayEquals(alone, beside, otherRows(name));
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void bothWaysOfDecodingGiveTheSameText(String name, List<Object> choices) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend, choices, LshSelection.CAUSAL)) {
      GenerationOptions options = GenerationOptions.of(24, SamplingOptions.GREEDY);
      int[] prompt = Arrays.copyOf(text(7), 30);
      Generator cached = new Generator(() -> new CachedDecoder(model, CALL));
      Generator whole = new Generator(() -> new RecomputingDecoder(model, CALL));
      assertArrayEquals(
          whole.generate(prompt, options).get(0).tokens(),
          cached.generate(prompt, options).get(0).tokens());
    }
  }
}
