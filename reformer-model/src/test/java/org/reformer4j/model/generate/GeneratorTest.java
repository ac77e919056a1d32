package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.reformer4j.model.generate.Generation.StopReason;
import org.reformer4j.model.text.ByteTokenizer;

class GeneratorTest {
  private static final int[] PROMPT = {4, 2};
  private static final SamplingOptions GREEDY = SamplingOptions.GREEDY;
  private static final SamplingOptions DRAWN = SamplingOptions.UNCHANGED.withSeed(11);
  private static final ByteTokenizer BYTES = new ByteTokenizer();

  private final FakeDecoder.Counts counts = new FakeDecoder.Counts();

  @AfterEach
  void everyDecoderIsClosed() {
    assertEquals(0, counts.open);
  }

  private Generator generator(Function<int[], float[]> model) {
    return new Generator(() -> new FakeDecoder(model, 60, counts));
  }

  /** Returns a generator whose model says these bytes after the prompt, and then spaces. */
  private Generator saying(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return new Generator(
        () ->
            new FakeDecoder(
                tokens -> {
                  int at = tokens.length - PROMPT.length;
                  float[] logits = new float[ByteTokenizer.VOCABULARY_SIZE];
                  int next = at < bytes.length ? Byte.toUnsignedInt(bytes[at]) : ' ';
                  logits[next + ByteTokenizer.OFFSET] = 50;
                  return logits;
                },
                60,
                counts),
        BYTES);
  }

  private static List<List<Integer>> tokens(List<Generation> texts) {
    return texts.stream().map(text -> Arrays.stream(text.tokens()).boxed().toList()).toList();
  }

  @Test
  void equalSeedsGiveEqualTextsAndTextsDoNotDependOnTheirNumber() {
    Generator generator = generator(FakeDecoder.random(9, 1, 1));
    GenerationOptions options = GenerationOptions.of(20, DRAWN);
    List<List<Integer>> five =
        tokens(generator.generate(PROMPT, options.withNumReturnSequences(5)));
    assertEquals(5, Set.copyOf(five).size(), "the texts differ");
    assertEquals(five, tokens(generator.generate(PROMPT, options.withNumReturnSequences(5))));
    for (int count = 1; count < 5; count++) {
      GenerationOptions fewer = options.withNumReturnSequences(count);
      assertEquals(five.subList(0, count), tokens(generator.generate(PROMPT, fewer)));
    }
    List<Integer> streamed = new ArrayList<>();
    generator.generate(PROMPT, options, streamed::add);
    assertEquals(five.get(0), streamed, "the first is that of one text");
    GenerationOptions other = options.withSampling(DRAWN.withSeed(12)).withNumReturnSequences(5);
    assertNotEquals(five, tokens(generator.generate(PROMPT, other)));
  }

  @Test
  void thePromptOfSeveralTextsIsComputedOnce() {
    generator(FakeDecoder.random(9, 1, 1))
        .generate(PROMPT, GenerationOptions.of(4, DRAWN).withNumReturnSequences(3));
    assertEquals(PROMPT.length + 3 * 3, counts.appended);
    assertEquals(2, counts.forks);
  }

  @Test
  void oneBeamIsGreedyChoice() {
    for (int seed = 0; seed < 20; seed++) {
      Generator generator = generator(FakeDecoder.random(9, seed, 1));
      GenerationOptions options =
          GenerationOptions.of(20, GREEDY.withRepetitionPenalty(1.3).withNoRepeatNgramSize(2))
              .withStopTokens(Set.of(7));
      List<Integer> expected = new ArrayList<>();
      Generation single = generator.generate(PROMPT, options, expected::add);
      GenerationOptions one = options.withBeams(BeamOptions.of(1));
      List<Generation> beams = generator.generate(PROMPT, one);
      assertEquals(List.of(expected), tokens(beams));
      assertEquals(single.score(), beams.get(0).score());
      assertEquals(single.reason(), beams.get(0).reason());
    }
  }

  @Test
  void scoresAreThoseOfTheModel() {
    float[] logits = {(float) Math.log(0.5), (float) Math.log(0.3), (float) Math.log(0.2)};
    GenerationOptions options = GenerationOptions.of(3, GREEDY);
    Generator generator = generator(tokens -> logits);
    assertEquals(Math.log(0.5), generator.generate(new int[] {1}, options).get(0).score(), 1e-6);
    GenerationOptions sum = options.withBeams(BeamOptions.NONE.withLengthPenalty(0));
    assertEquals(3 * Math.log(0.5), generator.generate(new int[] {1}, sum).get(0).score(), 1e-6);
    GenerationOptions stopped = sum.withStopTokens(Set.of(0));
    Generation end = generator.generate(new int[] {1}, stopped).get(0);
    assertEquals(Math.log(0.5), end.score(), 1e-6, "a stop token counts");
    assertEquals(0, end.tokens().length);
    GenerationOptions once = sum.withSampling(GREEDY.withNoRepeatNgramSize(1));
    Generation all = generator.generate(new int[] {2}, once).get(0);
    assertEquals(Math.log(0.5) + Math.log(0.3), all.score(), 1e-6, "without penalties");
    assertEquals(StopReason.ALL_TOKENS_BARRED, all.reason());
    assertArrayEquals(new int[] {0, 1}, all.tokens());
  }

  @Test
  void minNewTokensPutsOffTheEnd() {
    float[] logits = {1, 2, 9};
    GenerationOptions options = GenerationOptions.of(8, GREEDY).withStopTokens(Set.of(2));
    Generator generator = generator(tokens -> logits);
    for (int least : new int[] {0, 1, 5, 8}) {
      Generation text = generator.generate(new int[] {0}, options.withMinNewTokens(least)).get(0);
      assertEquals(least, text.tokens().length);
      assertEquals(least == 8 ? StopReason.MAX_NEW_TOKENS : StopReason.STOP_TOKEN, text.reason());
      GenerationOptions beams =
          options
              .withMinNewTokens(least)
              .withBeams(BeamOptions.of(2).withEarlyStopping(BeamOptions.EarlyStopping.NEVER));
      assertTrue(generator.generate(new int[] {0}, beams).get(0).tokens().length >= least);
    }
  }

  @Test
  void processorsOfOnesOwnComeAfterPenaltiesAndBeforeTemperature() {
    List<float[]> seen = new ArrayList<>();
    LogitsProcessor own =
        (logits, context) -> {
          seen.add(logits.clone());
          logits[1] = 100;
        };
    GenerationOptions options =
        GenerationOptions.of(2, DRAWN.withTemperature(0.5).withRepetitionPenalty(2))
            .withProcessors(own);
    Generation text =
        generator(tokens -> new float[] {4, 1, 2}).generate(new int[] {0}, options).get(0);
    assertArrayEquals(new int[] {1, 1}, text.tokens());
    assertArrayEquals(new float[] {2, 1, 2}, seen.get(0));
    assertArrayEquals(new float[] {2, 0.5f, 2}, seen.get(1));
    LogitsProcessor bad = (logits, context) -> logits[0] = Float.NaN;
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                generator(tokens -> new float[3])
                    .generate(PROMPT, GenerationOptions.of(2, GREEDY).withProcessors(bad)));
    assertTrue(thrown.getMessage().contains("processor"), thrown.getMessage());
  }

  @Test
  void textEndsBeforeTheStopString() {
    GenerationOptions options = GenerationOptions.of(30, GREEDY).withStopStrings("é!", "\n\n");
    List<String> pieces = new ArrayList<>();
    Generation text = saying("caf\u00e9 ol\u00e9!\n\n").generateText(PROMPT, options, pieces::add);
    assertEquals("caf\u00e9 ol", text.text());
    assertEquals(text.text(), String.join("", pieces));
    assertEquals(StopReason.STOP_STRING, text.reason());
    assertEquals("caf\u00e9 ol\u00e9!", BYTES.decode(text.tokens()), "its tokens are there");
    assertTrue(pieces.contains("\u00e9 "), "held back until the space: " + pieces);
    Generation beam =
        saying("caf\u00e9 ol\u00e9!\n\n")
            .generate(PROMPT, options.withBeams(BeamOptions.of(3)))
            .get(0);
    assertEquals(text.text(), beam.text());
    assertEquals(StopReason.STOP_STRING, beam.reason());
  }

  @Test
  void heldBackTextComesAtTheEnd() {
    GenerationOptions options = GenerationOptions.of(5, GREEDY).withStopStrings("de!");
    List<String> pieces = new ArrayList<>();
    Generation text = saying("abcde").generateText(PROMPT, options, pieces::add);
    assertEquals(List.of("a", "b", "c", "de"), pieces);
    assertEquals("abcde", text.text());
    assertEquals(StopReason.MAX_NEW_TOKENS, text.reason());
    Generation stopped =
        saying("ad!").generateText(PROMPT, options.withStopTokens(Set.of('!' + 2)), pieces::add);
    assertEquals("ad", stopped.text());
    assertEquals(StopReason.STOP_TOKEN, stopped.reason());
  }

  @Test
  void whatTheCallbackThrowsEndsTheWork() {
    GenerationOptions options = GenerationOptions.of(30, GREEDY);
    assertThrows(
        ArithmeticException.class,
        () ->
            saying("abc")
                .generate(
                    PROMPT,
                    options,
                    token -> {
                      throw new ArithmeticException();
                    }));
    assertEquals(PROMPT.length, counts.appended);
  }

  @Test
  void nothingIsComputedForNoTokens() {
    GenerationOptions options = GenerationOptions.of(0, DRAWN).withNumReturnSequences(2);
    List<Generation> texts = saying("abc").generate(PROMPT, options);
    assertEquals(List.of(List.of(), List.of()), tokens(texts));
    assertEquals(0, counts.appended);
    assertEquals(0, texts.get(0).score());
  }

  @Test
  void mistakesAreRefusedWithTheFix() {
    Generator silent = generator(tokens -> new float[3]);
    GenerationOptions greedy = GenerationOptions.of(3, GREEDY);
    GenerationOptions drawn = GenerationOptions.of(3, DRAWN);
    assertRefused("prompt is empty", () -> silent.generate(new int[0], greedy));
    assertRefused("shorten the prompt", () -> silent.generate(new int[61], greedy));
    assertRefused("tokenizer", () -> silent.generate(PROMPT, greedy.withStopStrings("a")));
    assertThrows(
        IllegalStateException.class, () -> silent.generateText(PROMPT, greedy, piece -> {}));
    assertThrows(IllegalStateException.class, () -> silent.textStream(PROMPT, greedy));
    assertThrows(
        IllegalStateException.class, () -> silent.textPublisher(PROMPT, greedy, Runnable::run));
    assertRefused("deterministic", () -> drawn.withBeams(BeamOptions.of(2)));
    assertRefused("one text only", () -> greedy.withNumReturnSequences(2));
    assertRefused(
        "at most numBeams", () -> greedy.withBeams(BeamOptions.of(2)).withNumReturnSequences(3));
    assertRefused("minNewTokens", () -> greedy.withMinNewTokens(4));
    assertRefused("minNewTokens", () -> greedy.withMinNewTokens(-1));
    assertRefused("empty string", () -> greedy.withStopStrings("a", ""));
    assertRefused("numBeams", () -> BeamOptions.of(0));
    assertRefused("lengthPenalty", () -> BeamOptions.of(2).withLengthPenalty(Double.NaN));
    GenerationOptions beams = greedy.withBeams(BeamOptions.of(2));
    GenerationOptions several = drawn.withNumReturnSequences(2);
    for (GenerationOptions options : List.of(beams, several)) {
      assertRefused("piece by piece", () -> silent.generate(PROMPT, options, token -> {}));
      assertRefused("piece by piece", () -> silent.tokenStream(PROMPT, options));
      assertRefused("piece by piece", () -> silent.tokenPublisher(PROMPT, options, Runnable::run));
    }
    assertFalse(greedy.withStopTokens(Set.of(1)).stopTokens().isEmpty());
  }

  private static void assertRefused(String words, Executable executable) {
    IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, executable);
    assertTrue(thrown.getMessage().contains(words), thrown.getMessage());
  }
}
