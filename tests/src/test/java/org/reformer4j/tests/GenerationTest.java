package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.BeamOptions;
import org.reformer4j.model.generate.CachedDecoder;
import org.reformer4j.model.generate.Decoder;
import org.reformer4j.model.generate.Generation;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.RecomputingDecoder;
import org.reformer4j.model.generate.SamplingOptions;

/** Beams and several texts of real models: forks give what each text gives alone. */
class GenerationTest {
  private static final CallOptions EVALUATION = CallOptions.EVALUATION;
  private static final int PROMPT = 21;

  static Stream<String> backends() {
    return TestBackends.names().stream();
  }

  /** A decoder whose forks begin anew and compute all tokens again. */
  private static final class Fresh implements Decoder {
    private final ReformerModel model;
    private final CachedDecoder inner;
    private int[] tokens = {};
    private int prompt;

    Fresh(ReformerModel model) {
      this.model = model;
      this.inner = new CachedDecoder(model, EVALUATION);
    }

    @Override
    public float[] append(int... more) {
      prompt = tokens.length == 0 ? more.length : prompt;
      int length = tokens.length;
      tokens = Arrays.copyOf(tokens, length + more.length);
      System.arraycopy(more, 0, tokens, length, more.length);
      return inner.append(more);
    }

    @Override
    public Decoder fork() {
      Fresh fork = new Fresh(model);
      fork.append(Arrays.copyOf(tokens, prompt));
      for (int i = prompt; i < tokens.length; i++) {
        fork.append(tokens[i]);
      }
      return fork;
    }

    @Override
    public int length() {
      return tokens.length;
    }

    @Override
    public int maxLength() {
      return inner.maxLength();
    }

    @Override
    public void close() {
      inner.close();
    }
  }

  private static ReformerModel model(Backend backend) {
    return ReformerModel.create(TestModels.small(4).build(), backend, 1);
  }

  private static GenerationOptions beams(int count) {
    return GenerationOptions.of(20, SamplingOptions.GREEDY.withNoRepeatNgramSize(2))
        .withBeams(BeamOptions.of(count).withLengthPenalty(0.7))
        .withNumReturnSequences(count)
        .withStopTokens(Set.of(5));
  }

  private static void assertSame(List<Generation> expected, List<Generation> actual) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      assertArrayEquals(expected.get(i).tokens(), actual.get(i).tokens(), "text " + i);
      assertEquals(expected.get(i).score(), actual.get(i).score());
      assertEquals(expected.get(i).reason(), actual.get(i).reason());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void forksGiveTheTextsOfFreshDecoders(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend)) {
      long before = backend.liveBytes();
      Generator forking = new Generator(() -> new CachedDecoder(model, EVALUATION));
      Generator fresh = new Generator(() -> new Fresh(model));
      GenerationOptions drawn =
          GenerationOptions.of(20, SamplingOptions.UNCHANGED.withSeed(3)).withNumReturnSequences(4);
      for (int prompt : new int[] {1, 8, PROMPT}) {
        int[] ids = TestModels.ids(prompt, 2);
        for (GenerationOptions options : List.of(beams(2), beams(5), drawn)) {
          List<Generation> texts = forking.generate(ids, options);
          assertSame(fresh.generate(ids, options), texts);
          assertEquals(options.numReturnSequences(), texts.size());
        }
      }
      assertEquals(before, backend.liveBytes(), "nothing stays");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void recomputingDecodersFork(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend);
        Decoder first = new RecomputingDecoder(model, EVALUATION);
        Decoder fresh = new RecomputingDecoder(model, EVALUATION)) {
      int[] ids = TestModels.ids(PROMPT, 2);
      first.append(ids);
      fresh.append(ids);
      try (Decoder fork = first.fork()) {
        first.append(3);
        assertEquals(PROMPT, fork.length());
        assertArrayEquals(fresh.append(7, 9), fork.append(7, 9));
      }
      assertEquals(PROMPT + 1, first.length());
      Generator generator = new Generator(() -> new RecomputingDecoder(model, EVALUATION));
      List<Generation> texts = generator.generate(ids, beams(3));
      assertEquals(3, texts.size());
      assertTrue(texts.get(0).score() >= texts.get(2).score());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void oneBeamIsGreedyChoiceAndStreamsFreeTheirMemory(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = model(backend)) {
      Supplier<Decoder> decoders = () -> new CachedDecoder(model, EVALUATION);
      Generator generator = new Generator(decoders);
      int[] ids = TestModels.ids(PROMPT, 2);
      GenerationOptions greedy = GenerationOptions.of(15, SamplingOptions.GREEDY);
      Generation expected = generator.generate(ids, greedy, token -> {});
      assertSame(List.of(expected), generator.generate(ids, greedy.withBeams(BeamOptions.of(1))));
      long before = backend.liveBytes();
      try (Stream<Integer> tokens = generator.tokenStream(ids, greedy)) {
        assertEquals(before, backend.liveBytes(), "nothing is computed yet");
        List<Integer> some = tokens.limit(4).toList();
        assertEquals(Arrays.stream(expected.tokens()).limit(4).boxed().toList(), some);
        assertTrue(backend.liveBytes() > before, "the cache");
      }
      assertEquals(before, backend.liveBytes());
      assertEquals(15, generator.tokenStream(ids, greedy).toList().size());
      assertEquals(before, backend.liveBytes());
    }
  }
}
