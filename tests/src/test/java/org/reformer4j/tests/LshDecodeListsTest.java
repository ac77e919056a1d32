package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeArguments;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** The lists of cached rows for new tokens against a sort of all positions at every step. */
class LshDecodeListsTest {
  /**
   * Tokens that come to sequences with a history.
   *
   * @param prompts positions of each sequence at first
   * @param steps new tokens of each
   * @param room C
   * @param heads H
   * @param chunk positions of a chunk
   * @param before chunks before
   * @param after chunks after
   * @param hash rounds, buckets and selection
   * @param spare slots of a list that stay empty
   */
  record Case(
      int[] prompts,
      int steps,
      int room,
      int heads,
      int chunk,
      int before,
      int after,
      HashSpec hash,
      int spare) {
    AttentionSpec spec() {
      Sequences sequences = Sequences.full(prompts.length, room);
      return new AttentionSpec(sequences, heads, 1, chunk, before, after, true, Dropout.NONE);
    }

    int segments() {
      return prompts.length * heads * hash.rounds();
    }

    int width() {
      return (int) DecodeArguments.longestWindow(spec(), hash) + spare;
    }

    int numbers() {
      return hash.buckets() + 1;
    }

    @Override
    public String toString() {
      return Arrays.toString(prompts)
          + " chunk "
          + chunk
          + ", "
          + before
          + ", "
          + after
          + " "
          + hash;
    }
  }

  private static HashSpec hash(
      int rounds, LshSelection selection, boolean distinct, int... factors) {
    return new HashSpec(rounds, Arrays.stream(factors).boxed().toList(), selection, distinct);
  }

  static Stream<Arguments> cases() {
    LshSelection sorted = LshSelection.SORTED;
    LshSelection causal = LshSelection.CAUSAL;
    return TestBackends.with(
        List.of(
            // From nothing on: rings in which a position stands several times.
            new Case(new int[] {0}, 20, 24, 1, 4, 1, 0, hash(1, sorted, false, 4), 0),
            new Case(new int[] {0, 3, 1}, 12, 16, 2, 4, 2, 1, hash(2, sorted, false, 2, 4), 3),
            new Case(new int[] {0, 5}, 12, 24, 2, 4, 1, 1, hash(3, sorted, true, 4), 1),
            new Case(new int[] {0, 7}, 16, 24, 2, 3, 2, 1, hash(3, causal, false, 4), 0),
            new Case(new int[] {2, 9, 0}, 12, 24, 2, 4, 1, 0, hash(4, causal, true, 2), 2),
            // A window of chunks before alone, and of none.
            new Case(new int[] {17}, 6, 30, 3, 5, 0, 0, hash(2, sorted, false, 6), 0),
            new Case(new int[] {17}, 6, 30, 3, 5, 0, 0, hash(2, causal, true, 6), 0),
            // More buckets than a block has threads, and more positions.
            new Case(new int[] {900, 40}, 3, 1024, 2, 64, 1, 1, hash(2, sorted, false, 32, 20), 0),
            new Case(new int[] {1000, 513}, 3, 1024, 1, 16, 2, 0, hash(4, causal, true, 12), 5),
            new Case(new int[] {1020, 0}, 4, 1024, 1, 64, 1, 0, hash(4, sorted, true, 12), 0),
            // Enough for several threads.
            new Case(new int[] {5000}, 2, 5120, 2, 64, 1, 0, hash(2, causal, true, 32), 0),
            new Case(new int[] {2100}, 2, 2112, 1, 8, 1, 0, hash(1, sorted, false, 64, 34), 0)));
  }

  /** The tables on the host, entered and listed the long way. */
  private static final class Oracle {
    private final Case c;
    final int[] places;
    final int[] buckets;
    final int[] ranks;
    final int[] counts;
    final int[] listed;

    Oracle(Case c) {
      this.c = c;
      this.places = new int[c.prompts.length * c.room];
      this.buckets = new int[c.segments() * c.room];
      this.ranks = new int[c.segments() * c.room];
      this.counts = new int[c.segments() * c.numbers()];
      this.listed = new int[c.segments() * c.width()];
      Arrays.fill(places, -7);
      Arrays.fill(buckets, -7);
      Arrays.fill(ranks, -7);
    }

    void enter(int segment, int position, int bucket) {
      int from = segment * c.room;
      int same = 0;
      for (int t = 0; t < position; t++) {
        same += buckets[from + t] == bucket ? 1 : 0;
      }
      buckets[from + position] = bucket;
      ranks[from + position] = same;
      counts[segment * c.numbers() + bucket] = same + 1;
    }

    /** Lists all rounds of a head; the last of the positions is the new token. */
    void list(int b, int h, int positions) {
      Set<Integer> met = new HashSet<>();
      for (int r = 0; r < c.hash.rounds(); r++) {
        int segment = (b * c.heads + h) * c.hash.rounds() + r;
        List<Integer> window = window(segment * c.room, positions);
        Set<Integer> here = new HashSet<>();
        for (int i = 0; i < c.width(); i++) {
          int row = -1;
          if (i < window.size()) {
            int position = window.get(i);
            boolean again = c.hash.distinct() && met.contains(position);
            row = again ? -1 : places[b * c.room + position];
            here.add(position);
          }
          listed[segment * c.width() + i] = row;
        }
        met.addAll(here);
      }
    }

    private List<Integer> window(int from, int positions) {
      int last = positions - 1;
      Stream<Integer> all = IntStream.range(0, positions).boxed();
      if (c.hash.selection() == LshSelection.CAUSAL) {
        List<Integer> same = all.filter(t -> buckets[from + t] == buckets[from + last]).toList();
        int ownChunk = (same.size() - 1) / c.chunk;
        return same.subList(Math.max(0, ownChunk - c.before) * c.chunk, same.size());
      }
      List<Integer> order =
          all.sorted(Comparator.comparingInt((Integer t) -> buckets[from + t])).toList();
      int first = (order.indexOf(last) / c.chunk - c.before) * c.chunk;
      List<Integer> window = new ArrayList<>();
      for (int i = first; i < first + (1 + c.before + c.after) * c.chunk; i++) {
        if (!c.hash.distinct()) {
          window.add(order.get(Math.floorMod(i, positions)));
        } else if (i >= 0 && i < positions) {
          window.add(order.get(i));
        }
      }
      return window;
    }
  }

  /** The tables on a device. */
  private static final class Tables {
    private final Case c;
    private final Backend backend;
    private final TensorScope scope;
    private final Tensor listed;
    private final Tensor places;
    private final Tensor buckets;
    private final Tensor ranks;
    private final Tensor counts;

    Tables(Case c, Oracle oracle, Backend backend, TensorScope scope) {
      this.c = c;
      this.backend = backend;
      this.scope = scope;
      this.listed = ints(oracle.listed);
      this.places = ints(oracle.places);
      this.buckets = ints(oracle.buckets);
      this.ranks = ints(oracle.ranks);
      this.counts = ints(oracle.counts);
    }

    private Tensor ints(int... values) {
      Tensor tensor = scope.allocate(DType.I32, values.length);
      backend.upload(tensor, values);
      return tensor;
    }

    void step(int[] hashed, int[] own, int[] lengths) {
      Tensor last = ints(lengths);
      backend.lshDecodeLists(
          listed, places, buckets, ranks, counts, ints(hashed), ints(own), last, c.spec(), c.hash);
    }

    void assertAgree(Oracle oracle) {
      assertArrayEquals(oracle.places, backend.downloadInts(places), "places");
      assertArrayEquals(oracle.buckets, backend.downloadInts(buckets), "buckets");
      assertArrayEquals(oracle.ranks, backend.downloadInts(ranks), "ranks");
      assertArrayEquals(oracle.counts, backend.downloadInts(counts), "counts");
      assertArrayEquals(oracle.listed, backend.downloadInts(listed), "listed");
    }
  }

  /** Makes the history of a case: the bucket of masked tokens among the others. */
  private static Oracle history(Case c, Random random, int[][] rows) {
    Oracle oracle = new Oracle(c);
    int perSequence = c.heads * c.hash.rounds();
    for (int b = 0; b < c.prompts.length; b++) {
      for (int t = 0; t < c.prompts[b]; t++) {
        boolean masked = random.nextInt(6) == 0;
        oracle.places[b * c.room + t] = masked ? -1 : rows[b][t];
        for (int i = 0; i < perSequence; i++) {
          int bucket = masked ? c.hash.buckets() : random.nextInt(c.hash.buckets());
          oracle.enter(b * perSequence + i, t, bucket);
        }
      }
    }
    return oracle;
  }

  /** Cached rows by sequence and position, scattered as in a pool. */
  private static int[][] rows(Case c, Random random) {
    List<Integer> all = new ArrayList<>();
    for (int i = 0; i < c.prompts.length * c.room; i++) {
      all.add(3 * i);
    }
    Collections.shuffle(all, random);
    int[][] rows = new int[c.prompts.length][c.room];
    for (int i = 0; i < all.size(); i++) {
      rows[i / c.room][i % c.room] = all.get(i);
    }
    return rows;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void listsWhatASortGives(String name, Case c) {
    Random random = new Random(c.toString().hashCode());
    int[][] rows = rows(c, random);
    Oracle oracle = history(c, random, rows);
    int batch = c.prompts.length;
    int perSequence = c.heads * c.hash.rounds();
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tables tables = new Tables(c, oracle, backend, scope);
      for (int step = 0; step < c.steps; step++) {
        int[] hashed = new int[perSequence * batch];
        int[] own = new int[batch];
        int[] lengths = new int[batch];
        for (int b = 0; b < batch; b++) {
          lengths[b] = c.prompts[b] + step;
          own[b] = rows[b][lengths[b]];
          oracle.places[b * c.room + lengths[b]] = own[b];
          for (int i = 0; i < perSequence; i++) {
            int bucket = random.nextInt(c.hash.buckets());
            hashed[i * batch + b] = bucket;
            oracle.enter(b * perSequence + i, lengths[b], bucket);
          }
          for (int h = 0; h < c.heads; h++) {
            oracle.list(b, h, lengths[b] + 1);
          }
        }
        tables.step(hashed, own, lengths);
        tables.assertAgree(oracle);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void refusesLengthsBeyondTheRoom(String name) {
    HashSpec hash = hash(1, LshSelection.CAUSAL, false, 4);
    Case c = new Case(new int[] {3, 4}, 1, 8, 1, 4, 1, 0, hash, 0);
    Random random = new Random(5);
    Oracle oracle = history(c, random, rows(c, random));
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tables tables = new Tables(c, oracle, backend, scope);
      for (int wrong : new int[] {-1, 8}) {
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class,
                () -> tables.step(new int[2], new int[2], new int[] {3, wrong}));
        assertTrue(e.getMessage().contains("lengths[1] must be in 0..7"), e.getMessage());
      }
      tables.assertAgree(oracle);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void refusesListsThatCannotHoldTheWindow(String name) {
    for (LshSelection selection : LshSelection.values()) {
      HashSpec hash = hash(1, selection, false, 4);
      Case c = new Case(new int[] {3, 4}, 1, 8, 1, 4, 1, 1, hash, -1);
      int longest = selection == LshSelection.CAUSAL ? 8 : 12;
      try (Backend backend = TestBackends.open(name);
          TensorScope scope = backend.scope("test")) {
        Tables tables = new Tables(c, new Oracle(c), backend, scope);
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class,
                () -> tables.step(new int[2], new int[2], new int[] {3, 4}));
        assertTrue(e.getMessage().contains("W of at least " + longest), e.getMessage());
      }
    }
  }

  static List<String> backends() {
    return TestBackends.names();
  }
}
