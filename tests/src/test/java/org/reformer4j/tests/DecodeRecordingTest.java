package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;

/** Decoding steps that are recorded and replayed give the bits of steps that are issued. */
class DecodeRecordingTest {
  private static final CallOptions EVALUATION = CallOptions.EVALUATION;

  /** Names and kinds of models. */
  enum Kind {
    SORTED(b -> b),
    SORTED_DISTINCT(b -> b.lshDistinctKeys(true)),
    FACTORS(b -> b.numBuckets(List.of(2, 4)).lshNumChunksBefore(2)),
    CAUSAL(b -> b.lshSelection(LshSelection.CAUSAL)),
    CAUSAL_DISTINCT(b -> b.lshSelection(LshSelection.CAUSAL).lshDistinctKeys(true)),
    EXACT(b -> b.lshHashing(LshHashing.INTEGER).residualArithmetic(ResidualArithmetic.FIXED_POINT));

    private final UnaryOperator<ReformerConfigBuilder> change;

    Kind(UnaryOperator<ReformerConfigBuilder> change) {
      this.change = change;
    }

    ReformerConfig config() {
      return change
          .apply(TestModels.small(4).axialPosShape(List.of(16, 32)).maxPositionEmbeddings(512))
          .build();
    }
  }

  static Stream<String> backends() {
    return TestBackends.names().stream();
  }

  static Stream<Arguments> backendsAndKinds() {
    return TestBackends.with(List.of(Kind.values()));
  }

  /** The same cache twice: steps that may be recorded beside steps that never are. */
  private static final class Pair implements AutoCloseable {
    private final Backend device;
    private final RecordingBackend recording;
    private final ReformerModel recorded;
    private final ReformerModel issued;

    Pair(Backend device, ReformerConfig config) {
      this.device = device;
      this.recording = new RecordingBackend(device, true);
      this.recorded = ReformerModel.create(config, recording.backend(), 1);
      RecordingBackend never = new RecordingBackend(device, false);
      this.issued = ReformerModel.create(config, never.backend(), 1);
    }

    static Pair open(String name, ReformerConfig config) {
      return new Pair(TestBackends.open(name), config);
    }

    Caches caches(Batch prompts) {
      DecodeCache first = recorded.decodeCache(EVALUATION);
      DecodeCache second = issued.decodeCache(EVALUATION);
      assertArrayEquals(second.prompt(prompts), first.prompt(prompts));
      return new Caches(first, second);
    }

    @Override
    public void close() {
      recorded.close();
      issued.close();
      device.close();
    }
  }

  private record Caches(DecodeCache recorded, DecodeCache issued) implements AutoCloseable {
    void append(int[]... tokens) {
      float[] expected = issued.append(tokens);
      assertArrayEquals(expected, recorded.append(tokens), () -> "token " + issued.length(0));
    }

    /** Appends one token to each sequence, some times. */
    void steps(int count, int seed) {
      int batch = issued.batch();
      int[] tokens = TestModels.ids(count * batch, seed);
      for (int step = 0; step < count; step++) {
        int[][] one = new int[batch][1];
        for (int b = 0; b < batch; b++) {
          one[b][0] = tokens[step * batch + b];
        }
        append(one);
      }
    }

    void rewind(int... kept) {
      issued.rewind(kept);
      recorded.rewind(kept);
    }

    Caches fork(int... sequences) {
      return new Caches(recorded.fork(sequences), issued.fork(sequences));
    }

    @Override
    public void close() {
      recorded.close();
      issued.close();
    }
  }

  @ParameterizedTest
  @MethodSource("backendsAndKinds")
  void sequencesOfOneBatch(String name, Kind kind) {
    int[][] prompts = {TestModels.ids(21, 1), TestModels.ids(12, 2), TestModels.ids(33, 3)};
    try (Pair pair = Pair.open(name, kind.config());
        Caches caches = pair.caches(Batch.of(prompts))) {
      caches.steps(24, 4);
      assertEquals(1, pair.recording.recordings());
      assertEquals(21, pair.recording.replays());
      // Anything else, after which steps are recorded again.
      caches.append(TestModels.ids(3, 5), TestModels.ids(1, 6), TestModels.ids(9, 7));
      caches.steps(5, 8);
      caches.rewind(30, 13, 12);
      caches.steps(6, 9);
      assertEquals(3, pair.recording.recordings());
      try (Caches fork = caches.fork(2, 0, 2, 1)) {
        for (int turn = 0; turn < 3; turn++) {
          fork.steps(4, 10 + turn);
          caches.steps(4, 20 + turn);
        }
      }
      caches.steps(3, 30);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void maskedTokens(String name) {
    int[] mask = new int[30];
    Arrays.setAll(mask, t -> t % 5 == 2 ? 0 : 1);
    for (Kind kind : List.of(Kind.SORTED, Kind.CAUSAL_DISTINCT)) {
      try (Pair pair = Pair.open(name, kind.config());
          Caches caches = pair.caches(Batch.of(TestModels.ids(30, 1)).withAttentionMask(mask))) {
        caches.steps(12, 2);
        assertEquals(9, pair.recording.replays());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aPromptThatIsNotHashedYet(String name) {
    try (Pair pair = Pair.open(name, Kind.SORTED.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(3, 1), 3))) {
      caches.steps(5, 2);
      assertEquals(0, pair.recording.recordings());
      caches.steps(10, 3);
      assertEquals(1, pair.recording.recordings());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aTextThatOutgrowsRecordings(String name) {
    try (Pair pair = Pair.open(name, Kind.SORTED.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(230, 1), 230))) {
      caches.steps(282, 2);
      assertEquals(512, caches.recorded.length(0));
      assertEquals(3, pair.recording.recordings());
      assertThrows(IllegalArgumentException.class, () -> caches.recorded.append(1));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aForkThatMovesTheRows(String name) {
    try (Pair pair = Pair.open(name, Kind.CAUSAL.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(40, 1), 40));
        Caches fork = caches.fork(0)) {
      caches.steps(6, 2);
      fork.append(TestModels.ids(260, 3));
      caches.steps(6, 4);
      assertEquals(2, pair.recording.recordings());
    }
  }

  private static BackendException failure() {
    return new BackendException("test", 0, false, "fails once");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aStepThatFails(String name) {
    try (Pair pair = Pair.open(name, Kind.SORTED.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(40, 1), 40))) {
      caches.steps(6, 2);
      pair.recording.failOnce("download", failure());
      assertThrows(BackendException.class, () -> caches.recorded.append(1));
      assertEquals(46, caches.recorded.length(0));
      caches.steps(6, 3);
      assertEquals(2, pair.recording.recordings());
    }
  }

  /** What the device has listed comes to the host when it is needed there. */
  @ParameterizedTest
  @MethodSource("backends")
  void listsThatCannotBeFetched(String name) {
    try (Pair pair = Pair.open(name, Kind.SORTED.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(40, 1), 40))) {
      caches.steps(6, 2);
      pair.recording.failOnce("downloadInts", failure());
      assertThrows(BackendException.class, caches.recorded::fork);
      caches.steps(2, 3);
      pair.recording.failOnce("downloadInts", failure());
      assertThrows(BackendException.class, () -> caches.recorded.rewind(44));
      try (Caches fork = caches.fork(0)) {
        fork.steps(4, 4);
      }
      caches.steps(6, 5);
      int[][] several = {TestModels.ids(3, 6)};
      pair.recording.failOnce("downloadInts", failure());
      assertThrows(BackendException.class, () -> caches.recorded.append(several));
      caches.steps(2, 7);
      caches.append(several);
      caches.rewind(41);
      caches.steps(4, 8);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void noMemoryWithinTheRecording(String name) {
    try (Pair pair = Pair.open(name, Kind.SORTED.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(40, 1), 40))) {
      pair.recording.failOnce("record", new OutOfDeviceMemoryException("none left"));
      caches.steps(8, 2);
      assertEquals(0, pair.recording.recordings());
      caches.rewind(45);
      caches.steps(8, 3);
      assertEquals(1, pair.recording.recordings());
    }
  }

  /** Recordings that end before they paid are tried less and less often. */
  @ParameterizedTest
  @MethodSource("backends")
  void shortTurns(String name) {
    try (Pair pair = Pair.open(name, Kind.CAUSAL.config());
        Caches caches = pair.caches(Batch.of(TestModels.ids(40, 1), 40))) {
      for (int turn = 0; turn < 8; turn++) {
        caches.steps(3, turn);
        caches.rewind(40);
      }
      assertEquals(1, pair.recording.recordings());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void nothingIsLeft(String name) {
    try (Pair pair = Pair.open(name, Kind.SORTED.config())) {
      long before = pair.device.liveBytes();
      try (Caches caches = pair.caches(Batch.of(TestModels.ids(40, 1), 40))) {
        caches.steps(6, 2);
        assertEquals(1, pair.recording.recordings());
        assertTrue(
            caches.recorded.liveBytes() > caches.issued.liveBytes(), "tables are counted, too");
      }
      assertEquals(before, pair.device.liveBytes());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void recordingsAreAnOption(String name) {
    BackendOptions options = BackendOptions.defaults();
    try (Backend device = TestBackends.open(name, options);
        Backend without = TestBackends.open(name, options.withRecordings(false))) {
      assertEquals(name.equals("cuda"), device.records());
      assertFalse(without.records());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void noMemoryForARecording(String name) {
    ReformerConfig config = Kind.SORTED.config();
    int[] tokens = TestModels.ids(10, 2);
    long needed;
    float[] expected = null;
    try (Backend device = TestBackends.open(name);
        ReformerModel model =
            ReformerModel.create(config, new RecordingBackend(device, false).backend(), 1);
        DecodeCache cache = model.decodeCache(EVALUATION)) {
      cache.prompt(Batch.of(TestModels.ids(40, 1), 40));
      for (int token : tokens) {
        expected = cache.append(token);
      }
      needed = device.peakBytes();
    }
    BackendOptions options = new BackendOptions(1, needed);
    try (Backend device = TestBackends.open(name, options)) {
      RecordingBackend recording = new RecordingBackend(device, true);
      try (ReformerModel model = ReformerModel.create(config, recording.backend(), 1);
          DecodeCache cache = model.decodeCache(EVALUATION)) {
        cache.prompt(Batch.of(TestModels.ids(40, 1), 40));
        float[] last = null;
        for (int token : tokens) {
          last = cache.append(token);
        }
        assertArrayEquals(expected, last);
        assertEquals(0, recording.recordings());
      }
    }
  }
}
