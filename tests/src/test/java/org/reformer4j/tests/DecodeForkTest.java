package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
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

/** Forks, rewinding and many tokens at a time against caches that do without them. */
class DecodeForkTest {
  private static final CallOptions EVALUATION = CallOptions.EVALUATION;

  /** Positions for texts of several blocks of rows. */
  private static final ReformerConfig CONFIG =
      TestModels.small(4).axialPosShape(List.of(16, 16)).maxPositionEmbeddings(256).build();

  static Stream<String> backends() {
    return TestBackends.names().stream();
  }

  /** On a card the library of products may sum in another order for another number of rows. */
  private static float tolerance(String name) {
    boolean card = TestBackends.isCard(name);
    return card ? (float) Tolerances.OUTPUT : 0f;
  }

  private static float[] logits(float[] all, int b) {
    int from = b * TestModels.VOCABULARY;
    return Arrays.copyOfRange(all, from, from + TestModels.VOCABULARY);
  }

  /** A cache and, for each of its sequences, the prompt and what came after it. */
  private record Node(DecodeCache cache, List<int[]> prompts, List<int[]> texts) {
    Node fork(int... sequences) {
      List<int[]> forkedPrompts = new ArrayList<>();
      List<int[]> forkedTexts = new ArrayList<>();
      for (int b : sequences) {
        forkedPrompts.add(prompts.get(b));
        forkedTexts.add(texts.get(b));
      }
      return new Node(cache.fork(sequences), forkedPrompts, forkedTexts);
    }

    void append(Random random) {
      int[][] more = new int[texts.size()][];
      for (int b = 0; b < more.length; b++) {
        int most = random.nextInt(4) == 0 ? 20 : 2;
        more[b] = TestModels.ids(1 + random.nextInt(most), random.nextInt());
        int[] text = texts.get(b);
        int[] longer = Arrays.copyOf(text, text.length + more[b].length);
        System.arraycopy(more[b], 0, longer, text.length, more[b].length);
        texts.set(b, longer);
      }
      cache.append(more);
    }

    void rewind(Random random) {
      int[] kept = new int[texts.size()];
      for (int b = 0; b < kept.length; b++) {
        int[] text = texts.get(b);
        texts.set(b, Arrays.copyOf(text, random.nextInt(text.length + 1)));
        kept[b] = prompts.get(b).length + texts.get(b).length;
      }
      cache.rewind(kept);
    }

    /** Compares the next token with that of caches that were only ever appended to. */
    void check(ReformerModel model, float tolerance) {
      try (DecodeCache probe = cache.fork()) {
        int[] next = new int[texts.size()];
        Arrays.fill(next, 3);
        float[] actual = probe.append(next);
        for (int b = 0; b < next.length; b++) {
          try (DecodeCache fresh = model.decodeCache(EVALUATION)) {
            fresh.prompt(Batch.of(prompts.get(b)));
            for (int token : texts.get(b)) {
              fresh.append(token);
            }
            assertArrayEquals(fresh.append(3), logits(actual, b), tolerance, "sequence " + b);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void treesOfForksGiveTheBitsOfIndependentCaches(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(CONFIG, backend, 1)) {
      long before = backend.liveBytes();
      int trees = Boolean.getBoolean(TestBackends.FAKE_CUDA) ? 1 : 3;
      for (int seed = 0; seed < trees; seed++) {
        Random random = new Random(seed);
        List<int[]> prompts =
            List.of(TestModels.ids(37, 1), TestModels.ids(7, 2), TestModels.ids(16, 3));
        DecodeCache first = model.decodeCache(EVALUATION);
        first.prompt(Batch.of(prompts.toArray(int[][]::new)));
        List<Node> nodes = new ArrayList<>();
        int[] nothing = {};
        nodes.add(new Node(first, prompts, new ArrayList<>(Collections.nCopies(3, nothing))));
        for (int step = 0; step < 40; step++) {
          Node node = nodes.get(random.nextInt(nodes.size()));
          int dice = random.nextInt(10);
          if (dice < 2 && nodes.size() < 6) {
            // Some sequences, in any order, some of them twice.
            int[] chosen = random.ints(1 + random.nextInt(3), 0, node.texts.size()).toArray();
            nodes.add(node.fork(chosen));
          } else if (dice < 4) {
            node.rewind(random);
          } else if (dice == 4 && nodes.size() > 1) {
            nodes.remove(node);
            node.cache.close();
          } else if (Arrays.stream(lengths(node.cache)).allMatch(length -> length < 200)) {
            node.append(random);
          }
          if (step % 10 == 9) {
            for (Node each : nodes) {
              each.check(model, tolerance(name));
            }
          }
        }
        assertTrue(backend.liveBytes() > before);
        Collections.shuffle(nodes, random);
        nodes.forEach(node -> node.cache.close());
        assertEquals(before, backend.liveBytes(), "the last one frees everything");
      }
    }
  }

  private static int[] lengths(DecodeCache cache) {
    int[] lengths = new int[cache.batch()];
    Arrays.setAll(lengths, cache::length);
    return lengths;
  }

  /** The rows of a long text are there once, however many go on from it. */
  @ParameterizedTest
  @MethodSource("backends")
  void forksTakeNextToNoMemory(String name) {
    // Kernels that are simulated take their time.
    int length = Boolean.getBoolean(TestBackends.FAKE_CUDA) ? 4 * 1024 : 16 * 1024;
    ReformerConfig config =
        TestModels.small(2)
            .axialPosShape(List.of(128, 256))
            .maxPositionEmbeddings(32 * 1024)
            .numBuckets(List.of(32, 16))
            .build();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1);
        DecodeCache cache = model.decodeCache(EVALUATION)) {
      long before = backend.liveBytes();
      cache.prompt(Batch.of(TestModels.ids(length, 1)));
      long held = backend.liveBytes() - before;
      // Of two layers one is LSH and holds query-keys and values of 16 columns.
      assertTrue(held < 1.1 * length * 2 * 16 * 4 + 200_000, "" + held);
      float[] expected;
      try (DecodeCache probe = cache.fork()) {
        probe.append(5);
        expected = probe.append(6);
      }
      try (DecodeCache first = cache.fork();
          DecodeCache second = cache.fork()) {
        first.append(5);
        second.append(7);
        cache.append(8);
        assertArrayEquals(expected, first.append(6));
        assertTrue(backend.liveBytes() - before - held < held / 20, "rows are shared");
        assertEquals(backend.liveBytes() - before, cache.liveBytes());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void manyTokensAreTheSameAsOneByOne(String name) {
    for (int hashes : new int[] {1, 3}) {
      ReformerConfig config =
          TestModels.small(4)
              .axialPosShape(List.of(64, 32))
              .maxPositionEmbeddings(2048)
              .numHashes(hashes)
              .build();
      // The middle one takes more than goes through the layers at once, and shares a batch with
      // one that is done long before.
      int[][] prompts = {TestModels.ids(30, 1), TestModels.ids(3, 2), TestModels.ids(8, 3)};
      int[][] more = {TestModels.ids(25, 4), TestModels.ids(700, 5), TestModels.ids(1, 6)};
      int[] mask = new int[90];
      Arrays.setAll(mask, t -> t % 7 == 3 ? 0 : 1);
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1);
          DecodeCache many = model.decodeCache(EVALUATION)) {
        many.prompt(Batch.of(prompts).withAttentionMask(mask));
        float[] actual = many.append(more);
        float[] after = many.append(1, 2, 3);
        for (int b = 0; b < prompts.length; b++) {
          try (DecodeCache single = model.decodeCache(EVALUATION)) {
            int[] own = Arrays.copyOfRange(mask, b * 30, b * 30 + prompts[b].length);
            single.prompt(Batch.of(prompts[b]).withAttentionMask(own));
            float[] expected = null;
            for (int token : more[b]) {
              expected = single.append(token);
            }
            assertArrayEquals(expected, logits(actual, b), tolerance(name), "sequence " + b);
            assertArrayEquals(single.append(b + 1), logits(after, b), tolerance(name));
          }
        }
      }
    }
  }

  /** In a model of local layers a token does not depend on what comes after it. */
  @ParameterizedTest
  @MethodSource("backends")
  void goingBackIntoAPromptIsAShorterPrompt(String name) {
    ReformerConfig config =
        TestModels.small(3)
            .attnLayers(Collections.nCopies(3, AttentionKind.LOCAL))
            .axialPosShape(List.of(16, 16))
            .maxPositionEmbeddings(256)
            .build();
    int[][] prompts = {TestModels.ids(100, 1), TestModels.ids(61, 2)};
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      long before = backend.liveBytes();
      try (DecodeCache cache = model.decodeCache(EVALUATION)) {
        cache.prompt(Batch.of(prompts));
        cache.append(new int[][] {TestModels.ids(9, 3), TestModels.ids(40, 4)});
        // One goes back behind what its layers still have, one not even into the prompt.
        int[][] kept = {{99, 100}, {97, 61}, {50, 61}, {50, 20}, {1, 8}};
        for (int[] lengths : kept) {
          DecodeCache fork = cache.fork();
          cache.rewind(lengths);
          float[] actual = cache.append(5, 6);
          for (int b = 0; b < 2; b++) {
            try (DecodeCache fresh = model.decodeCache(EVALUATION)) {
              int prompt = Math.min(lengths[b], prompts[b].length);
              fresh.prompt(Batch.of(Arrays.copyOf(prompts[b], prompt)));
              int[] rest = Arrays.copyOf(TestModels.ids(40, 4), lengths[b] - prompt);
              for (int token : rest) {
                fresh.append(token);
              }
              float[] expected = fresh.append(5 + b);
              assertArrayEquals(expected, logits(actual, b), tolerance(name), lengths[b] + "");
            }
          }
          assertEquals(lengths[0] + 1, cache.length(0));
          cache.rewind(lengths);
          fork.close();
        }
      }
      assertEquals(before, backend.liveBytes());
    }
  }

  /** Rows and buckets of a prompt do not change when its end is taken away. */
  @ParameterizedTest
  @MethodSource("backends")
  void goingBackIntoAPromptInStepsOrAtOnceIsTheSame(String name) {
    int[] ids = TestModels.ids(90, 1);
    int[] mask = new int[90];
    Arrays.setAll(mask, t -> t % 6 == 4 ? 0 : 1);
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(CONFIG, backend, 1);
        DecodeCache once = model.decodeCache(EVALUATION);
        DecodeCache steps = model.decodeCache(EVALUATION)) {
      Batch prompt = Batch.of(ids).withAttentionMask(mask);
      for (int length : new int[] {70, 41, 9, 8, 5}) {
        for (DecodeCache cache : List.of(once, steps)) {
          cache.clear();
          cache.prompt(prompt);
        }
        once.rewind(length);
        steps.rewind(length + 15);
        steps.rewind(length + 2);
        steps.rewind(length);
        for (int token : new int[] {4, 9, 2}) {
          assertArrayEquals(once.append(token), steps.append(token), "length " + length);
        }
        // A token in the place of a masked one is seen.
        float[][] seen = new float[2][];
        for (int i = 0; i < 2; i++) {
          steps.rewind(length);
          int first = 11 + i;
          steps.append(new int[][] {{first, first, first, first, first, first}});
          seen[i] = steps.append(1);
        }
        assertFalse(Arrays.equals(seen[0], seen[1]), "length " + length);
        steps.rewind(length);
      }
    }
  }
}
