package org.reformer4j.model.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.reformer4j.model.generate.BeamOptions.EarlyStopping;
import org.reformer4j.model.generate.Generation.StopReason;

class BeamSearchTest {
  private static final int[] PROMPT = {0, 1};
  private static final SamplingOptions GREEDY = SamplingOptions.GREEDY;

  /** A text with the sum of its log-probabilities; finished ones know their score. */
  private record Text(List<Integer> tokens, double sum, double score) {
    Text with(int token, double logProbability) {
      List<Integer> longer = new ArrayList<>(tokens);
      longer.add(token);
      return new Text(longer, sum + logProbability, 0);
    }

    Text scored(int count, double penalty) {
      return new Text(tokens, sum, sum / Math.pow(count, penalty));
    }
  }

  private static float[] logSoftmax(float[] logits) {
    double total = 0;
    for (float logit : logits) {
      total += Math.exp(logit);
    }
    float[] result = new float[logits.length];
    for (int id = 0; id < logits.length; id++) {
      result[id] = (float) (logits[id] - Math.log(total));
    }
    return result;
  }

  private static int[] all(List<Integer> added) {
    int[] tokens = Arrays.copyOf(PROMPT, PROMPT.length + added.size());
    for (int i = 0; i < added.size(); i++) {
      tokens[PROMPT.length + i] = added.get(i);
    }
    return tokens;
  }

  /** Hugging Face's search once more, over whole lists, each text computed from its beginning. */
  private static List<Text> plain(
      Function<int[], float[]> model, int length, Set<Integer> stops, BeamOptions options) {
    int beams = options.numBeams();
    double penalty = options.lengthPenalty();
    List<Text> running = List.of(new Text(List.of(), 0, 0));
    List<Text> finished = new ArrayList<>();
    for (int added = 1; added <= length; added++) {
      List<Text> candidates = new ArrayList<>();
      for (Text text : running) {
        float[] scores = logSoftmax(model.apply(all(text.tokens)));
        for (int id = 0; id < scores.length; id++) {
          candidates.add(text.with(id, scores[id]));
        }
      }
      candidates.sort(Comparator.comparingDouble(text -> -text.sum));
      int looked = Math.min(candidates.size(), Math.max(2, 1 + stops.size()) * beams);
      running = new ArrayList<>();
      for (int rank = 0; rank < looked; rank++) {
        Text text = candidates.get(rank);
        boolean ends = stops.contains(text.tokens.get(added - 1)) || added == length;
        if (ends && rank < beams) {
          finished.add(text.scored(added, penalty));
        } else if (!ends && running.size() < beams) {
          running.add(text);
        }
      }
      finished.sort(Comparator.comparingDouble(text -> -text.score));
      finished = new ArrayList<>(finished.subList(0, Math.min(beams, finished.size())));
      if (running.isEmpty()) {
        break;
      }
      if (finished.size() == beams) {
        int hoped = options.earlyStopping() == EarlyStopping.NEVER && penalty > 0 ? length : added;
        boolean better =
            running.get(0).sum / Math.pow(hoped, penalty) > finished.get(beams - 1).score;
        if (options.earlyStopping() == EarlyStopping.WHEN_FULL || !better) {
          break;
        }
      }
    }
    return finished;
  }

  private static List<Generation> search(
      Function<int[], float[]> model, GenerationOptions options, FakeDecoder.Counts counts) {
    return new Generator(() -> new FakeDecoder(model, 40, counts)).generate(PROMPT, options);
  }

  private static List<Generation> search(
      Function<int[], float[]> model, GenerationOptions options) {
    FakeDecoder.Counts counts = new FakeDecoder.Counts();
    List<Generation> found = search(model, options, counts);
    assertEquals(0, counts.open, "all decoders are closed");
    return found;
  }

  private static GenerationOptions options(int length, BeamOptions beams, Set<Integer> stops) {
    return GenerationOptions.of(length, GREEDY)
        .withBeams(beams)
        .withStopTokens(stops)
        .withNumReturnSequences(beams.numBeams());
  }

  private static void assertSame(List<Text> expected, List<Generation> actual, Set<Integer> stops) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      List<Integer> tokens = new ArrayList<>(expected.get(i).tokens);
      boolean stopped = stops.contains(tokens.get(tokens.size() - 1));
      if (stopped) {
        tokens.remove(tokens.size() - 1);
      }
      assertEquals(tokens, Arrays.stream(actual.get(i).tokens()).boxed().toList());
      assertEquals(expected.get(i).score, actual.get(i).score(), 1e-5);
      assertEquals(
          stopped ? StopReason.STOP_TOKEN : StopReason.MAX_NEW_TOKENS, actual.get(i).reason());
    }
  }

  @Test
  void textsAreThoseOfThePlainSearch() {
    int ended = 0;
    for (int seed = 0; seed < 300; seed++) {
      Function<int[], float[]> model = FakeDecoder.random(7, seed, 1.5);
      Set<Integer> stops = List.of(Set.<Integer>of(), Set.of(3), Set.of(2, 5)).get(seed % 3);
      BeamOptions beams =
          new BeamOptions(
              2 + seed % 4,
              List.of(-1.5, 0.0, 1.0, 2.0).get(seed / 3 % 4),
              EarlyStopping.values()[seed / 12 % 3]);
      List<Text> expected = plain(model, 8, stops, beams);
      assertSame(expected, search(model, options(8, beams, stops)), stops);
      ended += expected.get(0).tokens.size() < 8 ? 1 : 0;
    }
    assertTrue(ended > 50 && ended < 250, "short and long texts win: " + ended);
  }

  /** With as many beams as there are texts nothing is lost, so the best one is found. */
  @Test
  void enoughBeamsFindTheBestOfAllTexts() {
    for (int seed = 0; seed < 60; seed++) {
      Function<int[], float[]> model = FakeDecoder.random(3, seed, 2);
      double penalty = List.of(-2.0, -0.5, 0.0, 0.7, 1.0, 3.0).get(seed % 6);
      Set<Integer> stops = Set.of(2);
      List<Text> texts = new ArrayList<>();
      collect(model, new Text(List.of(), 0, 0), 4, penalty, texts);
      texts.sort(Comparator.comparingDouble(text -> -text.score));
      BeamOptions beams = new BeamOptions(81, penalty, EarlyStopping.values()[seed % 3]);
      List<Generation> found = search(model, options(4, beams, stops));
      assertSame(texts, found, stops);
    }
  }

  /** All texts of at most as many tokens that end with token 2 or are full. */
  private static void collect(
      Function<int[], float[]> model, Text text, int room, double penalty, List<Text> texts) {
    float[] scores = logSoftmax(model.apply(all(text.tokens)));
    for (int id = 0; id < scores.length; id++) {
      Text longer = text.with(id, scores[id]);
      if (id == 2 || room == 1) {
        texts.add(longer.scored(longer.tokens.size(), penalty));
      } else {
        collect(model, longer, room - 1, penalty, texts);
      }
    }
  }

  @Test
  void lengthPenaltyFavoursLongOrShortTexts() {
    // Ending at once has 0.4; going on 0.6, then 0.55 each.
    Function<int[], float[]> model =
        tokens -> {
          double go = tokens.length == PROMPT.length ? 0.6 : 0.55;
          return new float[] {(float) Math.log(go), -99, (float) Math.log(1 - go)};
        };
    BeamOptions beams = BeamOptions.of(3).withEarlyStopping(EarlyStopping.NEVER);
    for (double penalty : new double[] {-1, 0, 1, 2}) {
      Generation best =
          search(model, options(6, beams.withLengthPenalty(penalty), Set.of(2))).get(0);
      assertEquals(penalty > 0 ? 6 : 0, best.tokens().length, "penalty " + penalty);
      double sum = penalty > 0 ? Math.log(0.6) + 5 * Math.log(0.55) : Math.log(0.4);
      int count = penalty > 0 ? 6 : 1;
      assertEquals(sum / Math.pow(count, penalty), best.score(), 1e-6);
    }
  }

  @Test
  void earlyStoppingEndsTheWork() {
    // The end is nearly as likely as going on: two texts have ended after two steps.
    Function<int[], float[]> model =
        tokens -> new float[] {(float) Math.log(0.5), -99, (float) Math.log(0.5)};
    int[] appended = new int[3];
    for (EarlyStopping stopping : EarlyStopping.values()) {
      BeamOptions beams = new BeamOptions(2, 1, stopping);
      FakeDecoder.Counts counts = new FakeDecoder.Counts();
      search(model, options(20, beams, Set.of(2)), counts);
      appended[stopping.ordinal()] = counts.appended;
    }
    int full = appended[EarlyStopping.WHEN_FULL.ordinal()];
    assertTrue(full < appended[EarlyStopping.NEVER.ordinal()], Arrays.toString(appended));
    assertTrue(full <= appended[EarlyStopping.HEURISTIC.ordinal()], Arrays.toString(appended));
  }

  @Test
  void equalOnesAreOrderedByBeamThenToken() {
    List<Generation> found =
        search(tokens -> new float[4], options(2, BeamOptions.of(3), Set.of()));
    assertArrayEquals(new int[] {0, 0}, found.get(0).tokens());
    assertArrayEquals(new int[] {0, 1}, found.get(1).tokens());
    assertArrayEquals(new int[] {0, 2}, found.get(2).tokens());
    assertEquals(-Math.log(4), found.get(0).score(), 1e-6);
  }

  @Test
  void thePromptIsComputedOnceAndParentsAreMoved() {
    FakeDecoder.Counts counts = new FakeDecoder.Counts();
    // Every text goes on alone after the first token.
    Function<int[], float[]> model =
        tokens -> tokens.length == 2 ? new float[] {1, 1, 1} : new float[] {9, 0, 0};
    search(model, options(5, BeamOptions.of(3), Set.of()), counts);
    assertEquals(2 + 4 * 3, counts.appended);
    assertEquals(2, counts.forks);
    assertEquals(0, counts.open);
  }

  @Test
  void decodersAreClosedWhenForkingOrComputingFails() {
    for (int failing = 1; failing < 12; failing++) {
      int last = failing;
      FakeDecoder.Counts counts = new FakeDecoder.Counts();
      int[] calls = {0};
      Function<int[], float[]> model =
          tokens -> {
            if (++calls[0] == last) {
              throw new IllegalStateException("no more");
            }
            return FakeDecoder.random(5, 1, 1).apply(tokens);
          };
      assertThrows(
          IllegalStateException.class,
          () -> search(model, options(9, BeamOptions.of(4), Set.of()), counts));
      assertEquals(0, counts.open, "at call " + failing);
    }
    for (int failing = 1; failing < 8; failing++) {
      FakeDecoder.Counts counts = new FakeDecoder.Counts();
      int last = failing;
      Decoder decoder =
          new ForkingLast(new FakeDecoder(FakeDecoder.random(5, 1, 0.1), 40, counts), counts, last);
      Generator generator = new Generator(() -> decoder);
      assertThrows(
          IllegalStateException.class,
          () -> generator.generate(PROMPT, options(30, BeamOptions.of(4), Set.of())));
      assertEquals(0, counts.open, "at fork " + failing);
    }
  }

  /** A decoder that cannot be forked after some forks. */
  private record ForkingLast(Decoder inner, FakeDecoder.Counts counts, int last)
      implements Decoder {
    @Override
    public float[] append(int... tokens) {
      return inner.append(tokens);
    }

    @Override
    public Decoder fork() {
      if (counts.forks + 1 == last) {
        throw new IllegalStateException("no memory");
      }
      return new ForkingLast(inner.fork(), counts, last);
    }

    @Override
    public int length() {
      return inner.length();
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

  @Test
  void processorsGetLogProbabilities() {
    boolean[] called = {false};
    LogitsProcessor look =
        (logits, context) -> {
          double sum = 0;
          for (float logit : logits) {
            sum += Math.exp(logit);
          }
          assertEquals(1, sum, 1e-5);
          assertEquals(PROMPT.length, context.promptLength());
          called[0] = true;
        };
    GenerationOptions plain = options(4, BeamOptions.of(2), Set.of());
    Function<int[], float[]> model = FakeDecoder.random(5, 3, 1);
    List<Generation> found = search(model, plain.withProcessors(look));
    assertTrue(called[0]);
    assertArrayEquals(search(model, plain).get(0).tokens(), found.get(0).tokens());
    GenerationOptions barred =
        plain.withProcessors(
            LogitsProcessor.badWords(List.of(new int[] {found.get(0).tokens()[0]})));
    for (Generation other : search(model, barred)) {
      assertFalse(Arrays.stream(other.tokens()).anyMatch(id -> id == found.get(0).tokens()[0]));
    }
  }

  @Test
  void textsWithoutAllowedTokensAreResults() {
    // No token twice: three tokens, one of them in the prompt of length two with the other.
    GenerationOptions options =
        GenerationOptions.of(9, GREEDY.withNoRepeatNgramSize(1))
            .withBeams(BeamOptions.of(2))
            .withNumReturnSequences(2);
    List<Generation> found = search(FakeDecoder.random(4, 1, 1), options);
    assertEquals(2, found.size());
    for (Generation text : found) {
      assertEquals(StopReason.ALL_TOKENS_BARRED, text.reason());
      assertEquals(2, text.tokens().length);
    }
    List<Generation> none =
        search(
            tokens -> new float[] {1, 1},
            options(3, BeamOptions.of(2), Set.of())
                .withProcessors((logits, context) -> Arrays.fill(logits, LogitsProcessor.BARRED)));
    assertEquals(1, none.size());
    assertEquals(0, none.get(0).tokens().length);
    assertEquals(0, none.get(0).score());
  }

  @Test
  void fullModelsAndNoTokensEndAtOnce() {
    Function<int[], float[]> model = FakeDecoder.random(5, 3, 1);
    GenerationOptions none = options(0, BeamOptions.of(3), Set.of());
    List<Generation> found = search(model, none);
    assertEquals(1, found.size());
    assertEquals(StopReason.MAX_NEW_TOKENS, found.get(0).reason());
    Generation full = search(model, options(99, BeamOptions.of(3), Set.of())).get(0);
    assertEquals(StopReason.POSITIONS_EXHAUSTED, full.reason());
    assertEquals(40 - PROMPT.length, full.tokens().length);
  }
}
