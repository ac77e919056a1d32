package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.CachedDecoder;

/** What cached decoding promises beyond Hugging Face's numbers. */
class DecodeCacheTest {
  private static final int STEPS = 18;
  private static final CallOptions EVALUATION = CallOptions.EVALUATION;

  static Stream<String> backends() {
    return TestBackends.names().stream();
  }

  /** What a decode of these prompts gives: after the prompts, then after each step. */
  private static float[][] decode(DecodeCache cache, Batch prompts, int[]... columns) {
    float[][] logits = new float[columns.length + 1][];
    logits[0] = cache.prompt(prompts);
    for (int i = 0; i < columns.length; i++) {
      logits[i + 1] = cache.append(columns[i]);
    }
    return logits;
  }

  /** One token for each sequence, for each step. */
  private static int[][] columns(int batch, int steps) {
    int[][] columns = new int[steps][];
    Arrays.setAll(columns, step -> TestModels.ids(batch, 100 + step));
    return columns;
  }

  private static int[][] one(int[][] columns, int b) {
    return Arrays.stream(columns).map(column -> new int[] {column[b]}).toArray(int[][]::new);
  }

  private static float[] row(float[] logits, int b) {
    int from = b * TestModels.VOCABULARY;
    return Arrays.copyOfRange(logits, from, from + TestModels.VOCABULARY);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sequencesGiveWhatTheyGiveAlone(String name) {
    // One is hashed with its prompt, one fills its chunk with the prompt, one with later tokens.
    int[][] prompts = {TestModels.ids(21, 1), TestModels.ids(8, 2), TestModels.ids(3, 3)};
    int[][] columns = columns(3, STEPS);
    // On a card the library of products may sum in another order for another number of rows.
    boolean card = TestBackends.isCard(name);
    float tolerance = card ? (float) Tolerances.OUTPUT : 0f;
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(TestModels.small(4).build(), backend, 1);
        DecodeCache together = model.decodeCache(EVALUATION)) {
      float[][] logits = decode(together, Batch.of(prompts), columns);
      for (int b = 0; b < prompts.length; b++) {
        try (DecodeCache alone = model.decodeCache(EVALUATION)) {
          float[][] expected = decode(alone, Batch.of(prompts[b]), one(columns, b));
          for (int step = 0; step <= STEPS; step++) {
            float[] actual = row(logits[step], b);
            assertArrayEquals(expected[step], actual, tolerance, "sequence " + b + " " + step);
          }
        }
        assertEquals(prompts[b].length + STEPS, together.length(b));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void maskedTokensAreNotSeen(String name) {
    for (int length : new int[] {24, 6}) {
      int[] ids = TestModels.ids(length, 1);
      int[] mask = new int[length];
      Arrays.setAll(mask, t -> t % 5 == 2 ? 0 : 1);
      int[] others = ids.clone();
      for (int t = 0; t < length; t++) {
        others[t] = mask[t] == 0 ? (ids[t] + 7) % TestModels.VOCABULARY : ids[t];
      }
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(TestModels.small(4).build(), backend, 1);
          DecodeCache first = model.decodeCache(EVALUATION);
          DecodeCache second = model.decodeCache(EVALUATION);
          DecodeCache unmasked = model.decodeCache(EVALUATION)) {
        int[][] columns = columns(1, STEPS);
        float[][] expected = decode(first, Batch.of(ids).withAttentionMask(mask), columns);
        float[][] actual = decode(second, Batch.of(others).withAttentionMask(mask), columns);
        float[][] without = decode(unmasked, Batch.of(ids), columns);
        for (int step = 0; step <= STEPS; step++) {
          assertArrayEquals(expected[step], actual[step], "step " + step);
        }
        assertFalse(Arrays.equals(expected[STEPS], without[STEPS]), "a mask matters");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void localLayersGiveTheNumbersOfFullPasses(String name) {
    for (int before : new int[] {0, 1}) {
      ReformerConfig config =
          TestModels.small(3)
              .attnLayers(Collections.nCopies(3, AttentionKind.LOCAL))
              .localNumChunksBefore(before)
              .build();
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1);
          DecodeCache cache = model.decodeCache(EVALUATION)) {
        int[] ids = TestModels.ids(5 + STEPS, 1);
        int[][] columns = new int[STEPS][];
        Arrays.setAll(columns, step -> new int[] {ids[5 + step]});
        float[][] cached = decode(cache, Batch.of(Arrays.copyOf(ids, 5)), columns);
        for (int step = 0; step <= STEPS; step++) {
          Batch whole = Batch.of(Arrays.copyOf(ids, 5 + step));
          float[] full = model.nextTokenLogits(whole, EVALUATION);
          assertArrayEquals(full, cached[step], (float) Tolerances.OUTPUT, "step " + step);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void forkAndRewindGiveTheBitsOfFreshDecodes(String name) {
    ReformerConfig config = TestModels.small(4).lshNumChunksBefore(2).numHashes(3).build();
    for (int prompt : new int[] {3, 8, 21}) {
      int[] ids = TestModels.ids(prompt, 1);
      int[][] columns = columns(1, STEPS);
      int[][] others = columns.clone();
      for (int step = 4; step < STEPS; step++) {
        others[step] = TestModels.ids(1, 500 + step);
      }
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1);
          DecodeCache cache = model.decodeCache(EVALUATION);
          DecodeCache fresh = model.decodeCache(EVALUATION)) {
        float[][] expected = decode(fresh, Batch.of(ids), others);
        float[][] straight = decode(cache, Batch.of(ids), columns);
        DecodeCache fork = cache.fork();
        for (DecodeCache other : List.of(fork, cache)) {
          for (int keep : new int[] {STEPS, 4, 0}) {
            other.rewind(prompt + keep);
            assertEquals(prompt + keep, other.length(0));
            // The same tokens again, then others.
            for (int step = keep; step < STEPS; step++) {
              assertArrayEquals(straight[step + 1], other.append(columns[step]));
            }
            other.rewind(prompt + Math.min(keep, 4));
            for (int step = Math.min(keep, 4); step < STEPS; step++) {
              assertArrayEquals(expected[step + 1], other.append(others[step]));
            }
            other.rewind(prompt + Math.min(keep, 4));
            for (int step = Math.min(keep, 4); step < STEPS; step++) {
              other.append(columns[step]);
            }
          }
          other.close();
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void severalTokensAreTheSameAsOneByOne(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(TestModels.small(4).build(), backend, 1);
        CachedDecoder many = new CachedDecoder(model, EVALUATION);
        CachedDecoder single = new CachedDecoder(model, EVALUATION)) {
      int[] prompt = TestModels.ids(11, 1);
      int[] more = TestModels.ids(20, 2);
      float[] first = many.append(prompt);
      single.append(prompt);
      float[] expected = null;
      for (int token : more) {
        expected = single.append(token);
      }
      assertArrayEquals(expected, many.append(more));
      assertEquals(31, many.length());
      try (CachedDecoder fork = many.fork()) {
        fork.rewind(12);
        assertArrayEquals(expected, fork.append(Arrays.copyOfRange(more, 1, 20)));
      }
      int room = many.maxLength() - many.length();
      assertThrows(IllegalArgumentException.class, () -> many.append(new int[room + 1]));
      assertThrows(IllegalArgumentException.class, () -> many.append());
      assertThrows(IllegalArgumentException.class, () -> many.rewind(32));
      assertThrows(IllegalArgumentException.class, () -> many.rewind(-1));
      assertEquals(31, many.length());
      many.rewind(0);
      assertEquals(0, many.length());
      assertArrayEquals(first, many.append(prompt), "a new prompt");
    }
  }

  /** Local layers keep their window of a prompt, LSH layers all of it; closing frees everything. */
  @ParameterizedTest
  @MethodSource("backends")
  void memoryIsWhatLaterTokensCanSee(String name) {
    AttentionKind[] local = {AttentionKind.LOCAL, AttentionKind.LOCAL};
    AttentionKind[] lsh = {AttentionKind.LSH, AttentionKind.LSH};
    long localBytes = bytes(name, local, 40);
    assertEquals(localBytes, bytes(name, local, 120));
    assertTrue(bytes(name, lsh, 96) - bytes(name, lsh, 32) >= 64L * 2 * 2 * 16 * 4);
  }

  private static long bytes(String name, AttentionKind[] layers, int prompt) {
    ReformerConfig config = TestModels.small(2).attnLayers(List.of(layers)).build();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      long before = backend.liveBytes();
      long held;
      try (DecodeCache cache = model.decodeCache(EVALUATION)) {
        cache.prompt(Batch.of(TestModels.ids(prompt, 1)));
        held = cache.liveBytes();
        assertEquals(before + held, backend.liveBytes(), "nothing else stays");
        cache.append(1);
        assertEquals(before + held, backend.liveBytes(), "nor of a step");
      }
      assertEquals(before, backend.liveBytes());
      return held;
    }
  }

  /** What a step allocates is the same at any length; what it computes on is what it allocates. */
  @ParameterizedTest
  @MethodSource("backends")
  void stepsDoNotGrowWithTheText(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(TestModels.small(4).build(), backend, 1)) {
      long[] peaks = new long[2];
      for (int i = 0; i < 2; i++) {
        try (DecodeCache cache = model.decodeCache(EVALUATION)) {
          cache.prompt(Batch.of(TestModels.ids(i == 0 ? 24 : 120, 1)));
          backend.resetPeak();
          long before = backend.liveBytes();
          cache.append(1);
          peaks[i] = backend.peakBytes() - before;
        }
      }
      assertEquals(peaks[0], peaks[1]);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void mistakesChangeNothing(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(TestModels.small(2).build(), backend, 1);
        DecodeCache cache = model.decodeCache(EVALUATION);
        DecodeCache fresh = model.decodeCache(EVALUATION)) {
      assertThrows(IllegalStateException.class, () -> cache.append(1));
      assertThrows(
          IllegalArgumentException.class, () -> model.decodeCache(CallOptions.training(1, 1)));
      Batch wrong = Batch.of(new int[] {1, TestModels.VOCABULARY});
      assertThrows(IllegalArgumentException.class, () -> cache.prompt(wrong));
      Batch prompts = Batch.of(TestModels.ids(12, 1), TestModels.ids(126, 2));
      cache.prompt(prompts);
      assertThrows(IllegalStateException.class, () -> cache.prompt(prompts));
      assertThrows(IllegalArgumentException.class, () -> cache.append(1));
      assertThrows(IllegalArgumentException.class, () -> cache.append(1, TestModels.VOCABULARY));
      assertThrows(IllegalArgumentException.class, () -> cache.rewind(1));
      assertThrows(IllegalArgumentException.class, () -> cache.rewind(0, 1));
      assertThrows(IllegalArgumentException.class, () -> cache.rewind(13, 1));
      assertThrows(IllegalArgumentException.class, () -> cache.fork(0, 2));
      assertThrows(IllegalArgumentException.class, () -> cache.append(new int[][] {{1}, {}}));
      int[][] tooLong = {{1, 2, 3}, {1, 2, 3}};
      assertThrows(IllegalArgumentException.class, () -> cache.append(tooLong));
      fresh.prompt(prompts);
      assertArrayEquals(fresh.append(1, 2), cache.append(1, 2));
      cache.append(3, 4);
      IllegalArgumentException full =
          assertThrows(IllegalArgumentException.class, () -> cache.append(3, 4));
      assertTrue(full.getMessage().contains("128 positions"), full.getMessage());
      DecodeCache closed = cache.fork();
      closed.close();
      assertThrows(IllegalStateException.class, () -> closed.append(3, 4));
      assertThrows(IllegalStateException.class, closed::fork);
      assertThrows(IllegalStateException.class, () -> closed.rewind(1, 1));
      assertThrows(IllegalStateException.class, () -> closed.prompt(prompts));
    }
  }
}
