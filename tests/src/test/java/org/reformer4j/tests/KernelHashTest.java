package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Integer hashing and the sort by bucket, which give the same integers on every backend. */
class KernelHashTest {
  private static final int HEADS = 3;
  private static final int LENGTH = 71;
  private static final Sequences SEQUENCES =
      Sequences.of(LENGTH, new int[] {LENGTH, 40}, new int[] {72, 40});

  /** One shape of hashing. */
  private record Hashing(int headSize, HashSpec hash) {
    AttentionSpec spec() {
      return new AttentionSpec(SEQUENCES, HEADS, headSize, 8, 1, 0, true, Dropout.NONE);
    }

    int columns() {
      return hash.rounds() * hash.rotationColumns();
    }
  }

  static List<String> backends() {
    return TestBackends.names();
  }

  static Stream<Arguments> shapes() {
    return TestBackends.with(
        List.of(
            new Hashing(1, HashSpec.of(1, 2)),
            new Hashing(5, HashSpec.of(3, 4, 6)),
            new Hashing(16, HashSpec.of(2, 2, 2, 10)),
            new Hashing(64, HashSpec.of(4, 64)),
            new Hashing(100, HashSpec.of(1, 258)),
            new Hashing(128, HashSpec.of(8, 16, 32))));
  }

  private static byte[] rotations(Hashing shape) {
    byte[] values = new byte[HEADS * shape.columns() * shape.headSize()];
    new Philox.Stream(3, 1, 0, RandomPurpose.ROTATIONS).integerNormals(values);
    return values;
  }

  /** Normal rows of all sizes, and among them the rows that a hash can go wrong on. */
  private static float[] rows(Hashing shape) {
    int size = shape.headSize();
    Random random = new Random(41);
    float[] x = new float[2 * LENGTH * HEADS * size];
    for (int row = 0; row < x.length / size; row++) {
      double scale = Math.pow(2, random.nextInt(40) - 20);
      for (int k = 0; k < size; k++) {
        x[row * size + k] = (float) (scale * random.nextGaussian());
      }
      if (row < 14) {
        special(x, row * size, size, row, random);
      }
    }
    return x;
  }

  private static void special(float[] x, int at, int size, int kind, Random random) {
    for (int k = 0; k < size; k++) {
      float value = x[at + k];
      int sign = random.nextBoolean() ? 1 : -1;
      x[at + k] =
          switch (kind) {
            case 0 -> 0f;
            case 1 -> -0f;
            case 2 -> sign * Float.MIN_VALUE * random.nextInt(1000);
            case 3 -> sign * Float.MIN_NORMAL * random.nextFloat();
            case 4 -> sign * 0x1p-114f * random.nextFloat();
            case 5 -> sign * 0x1p-115f * random.nextInt(4);
            case 6 -> sign * Float.MAX_VALUE;
            case 7 -> sign * Float.MAX_VALUE * random.nextFloat();
            case 8 -> k == size / 2 ? Float.POSITIVE_INFINITY : value;
            case 9 -> sign * (k % 2 == 0 ? Float.POSITIVE_INFINITY : Float.MAX_VALUE);
            case 10 -> Float.NaN;
            case 11 -> k % 2 == 0 ? Float.NaN : value;
            // Halves: the exponent is 0, so multiples of 2^-14 lie between two integers.
            case 12 -> k == 0 ? 1f : sign * random.nextInt(64) * 0x1p-14f;
            // The largest rounds up to 16384.
            default -> sign * 0x1.fffffep0f;
          };
    }
  }

  /** The definition, straightforwardly and in long and double. */
  private static int bucket(float[] x, int at, byte[] r, int h, int round, Hashing shape) {
    int size = shape.headSize();
    float largest = 0;
    for (int k = 0; k < size; k++) {
      if (!Float.isNaN(x[at + k])) {
        largest = Math.max(largest, Math.abs(x[at + k]));
      }
    }
    int exponent = Math.max(-114, Math.getExponent(largest));
    int column = h * shape.columns() + round * shape.hash().rotationColumns();
    int bucket = 0;
    int product = 1;
    for (int factor : shape.hash().factors()) {
      long[] scores = new long[factor];
      for (int c = 0; c < factor / 2; c++, column++) {
        for (int k = 0; k < size; k++) {
          double scaled = x[at + k] * Math.pow(2, 13 - exponent);
          double q = Double.isNaN(scaled) ? 0 : Math.rint(scaled);
          scores[c] += (long) Math.min(16384, Math.max(-16384, q)) * r[column * size + k];
        }
        scores[c + factor / 2] = -scores[c];
      }
      bucket += product * IntStream.range(0, factor).boxed().max(byScore(scores)).orElseThrow();
      product *= factor;
    }
    return bucket;
  }

  private static Comparator<Integer> byScore(long[] scores) {
    return Comparator.comparingLong((Integer i) -> scores[i])
        .thenComparing(Comparator.<Integer>reverseOrder());
  }

  private static int[] hash(
      Backend backend, TensorScope scope, Hashing shape, float[] x, byte[] r, int[] seen) {
    int width = HEADS * shape.headSize();
    Tensor rows = scope.allocate(DType.F32, 2 * LENGTH, width + 3).columns(1, width);
    backend.upload(rows, x);
    Tensor rotations = scope.allocate(DType.I8, HEADS, shape.columns(), shape.headSize());
    backend.upload(rotations, r);
    Tensor mask = seen == null ? null : scope.allocate(DType.I32, 2, LENGTH);
    if (mask != null) {
      backend.upload(mask, seen);
    }
    Tensor buckets = scope.allocate(DType.I32, 2, HEADS, shape.hash().rounds(), LENGTH);
    backend.lshBuckets(buckets, rows, rotations, mask, shape.spec(), shape.hash());
    return backend.downloadInts(buckets);
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void integerBucketsAreThoseOfTheDefinition(String name, Hashing shape) {
    float[] x = rows(shape);
    byte[] r = rotations(shape);
    int[] seen = new Random(6).ints(2 * LENGTH, 0, 5).map(v -> v == 0 ? 0 : 1).toArray();
    int rounds = shape.hash().rounds();
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      for (int[] mask : new int[][] {null, seen}) {
        int[] actual = hash(backend, scope, shape, x, r, mask);
        for (int i = 0; i < actual.length; i++) {
          int t = i % LENGTH;
          int round = i / LENGTH % rounds;
          int h = i / LENGTH / rounds % HEADS;
          int b = i / LENGTH / rounds / HEADS;
          int row = b * LENGTH + t;
          boolean hidden = t >= SEQUENCES.length(b) || (mask != null && mask[row] == 0);
          int at = (row * HEADS + h) * shape.headSize();
          int expected = hidden ? shape.hash().buckets() : bucket(x, at, r, h, round, shape);
          assertEquals(expected, actual[i], "b" + b + " h" + h + " r" + round + " t" + t);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void zerosAndTiesTakeTheLowestIndex(String name) {
    Hashing shape = new Hashing(7, HashSpec.of(2, 8, 6));
    float[] x = new float[2 * LENGTH * HEADS * 7];
    byte[] r = rotations(shape);
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      int[] buckets = hash(backend, scope, shape, x, r, null);
      for (int i = 0; i < SEQUENCES.length(0); i++) {
        assertEquals(0, buckets[i]);
      }
      // All columns alike: the first column wins where it is positive, else its negative.
      Arrays.fill(r, (byte) 5);
      Arrays.fill(x, 0.3f);
      assertEquals(0, hash(backend, scope, shape, x, r, null)[0]);
      Arrays.fill(x, -0.3f);
      assertEquals(4 + 8 * 3, hash(backend, scope, shape, x, r, null)[0]);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void headsBeyond128AreRefusedForIntegers(String name) {
    Hashing shape = new Hashing(129, HashSpec.of(1, 4));
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      float[] x = new float[2 * LENGTH * HEADS * 129];
      byte[] r = rotations(shape);
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class, () -> hash(backend, scope, shape, x, r, null));
      assertTrue(error.getMessage().contains("128, got 129"), error.getMessage());
    }
  }

  /** Buckets of one round: number of buckets and length. */
  static Stream<Arguments> sorts() {
    return TestBackends.with(
        List.of(
            List.of(HashSpec.of(1, 2), 1),
            List.of(HashSpec.of(3, 2), 1000),
            List.of(HashSpec.of(2, 4, 6), 97),
            List.of(HashSpec.of(1, 1000), 50),
            List.of(HashSpec.of(2, 512, 512), 3000),
            List.of(HashSpec.of(2, 128, 128, 128, 128), 700),
            List.of(HashSpec.of(1, Integer.MAX_VALUE - 1), 257)));
  }

  @ParameterizedTest
  @MethodSource("sorts")
  void sortIsStable(String name, List<Object> shape) {
    HashSpec hash = (HashSpec) shape.get(0);
    int length = (int) shape.get(1);
    int segments = 2 * HEADS * hash.rounds();
    Random random = new Random(8);
    int[] keys = new int[segments * length];
    for (int i = 0; i < keys.length; i++) {
      // Some from everywhere, many alike, and the padding bucket.
      keys[i] =
          switch (random.nextInt(4)) {
            case 0 -> hash.buckets();
            case 1 -> random.nextInt(Math.min(5, hash.buckets()));
            default -> random.nextInt(hash.buckets());
          };
    }
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor buckets = scope.allocate(DType.I32, 2, HEADS, hash.rounds(), length);
      Tensor order = scope.allocate(DType.I32, 2, HEADS, hash.rounds(), length);
      backend.upload(buckets, keys);
      int shorter = (length + 1) / 2;
      Sequences ragged =
          Sequences.of(length, new int[] {length, shorter}, new int[] {length, length});
      for (Sequences sequences : List.of(Sequences.full(2, length), ragged)) {
        backend.lshSort(order, buckets, sequences, hash);
        int[] actual = backend.downloadInts(order);
        for (int s = 0; s < segments; s++) {
          int first = s * length;
          int own = sequences.length(s * 2 / segments);
          int[] expected =
              AttentionCases.sorted(Arrays.copyOfRange(keys, first, first + length), own);
          int[] segment = Arrays.copyOfRange(actual, first, first + length);
          assertArrayEquals(expected, segment, sequences + " segment " + s);
        }
      }
    }
  }

  static Stream<Arguments> runs() {
    return TestBackends.with(
        List.of(
            List.of(HashSpec.of(1, 2), 1, 4),
            List.of(HashSpec.of(3, 2), 1000, 16),
            List.of(HashSpec.of(2, 4, 6), 97, 5),
            List.of(HashSpec.of(1, 1000), 50, 8),
            List.of(HashSpec.of(2, 64, 64), 2500, 64),
            List.of(HashSpec.of(2, 8), 700, 1)));
  }

  /** Every position stands once, where its number in its bucket, or in the sort, puts it. */
  @ParameterizedTest
  @MethodSource("runs")
  void runsAreWholeChunks(String name, List<Object> shape) {
    HashSpec plain = (HashSpec) shape.get(0);
    int length = (int) shape.get(1);
    int chunk = (int) shape.get(2);
    Random random = new Random(9);
    int segments = 2 * HEADS * plain.rounds();
    // Many alike, so that buckets of several chunks occur, and the padding bucket.
    int[] keys =
        random
            .ints((long) segments * length, 0, plain.buckets() + 1)
            .map(x -> random.nextBoolean() ? x : Math.min(x, 2))
            .toArray();
    int shorter = (length + 1) / 2;
    int padded = (length + chunk - 1) / chunk * chunk;
    Sequences ragged =
        Sequences.of(length, new int[] {length, shorter}, new int[] {padded, padded});
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor buckets = scope.allocate(DType.I32, 2, HEADS, plain.rounds(), length);
      Tensor order = scope.allocate(DType.I32, 2, HEADS, plain.rounds(), length);
      backend.upload(buckets, keys);
      backend.lshSort(order, buckets, ragged, plain);
      for (LshSelection selection : LshSelection.values()) {
        for (boolean distinct : new boolean[] {true, false}) {
          HashSpec hash = new HashSpec(plain.rounds(), plain.factors(), selection, distinct);
          if (!hash.usesRuns()) {
            continue;
          }
          AttentionSpec spec =
              new AttentionSpec(
                  hash.places(ragged, chunk), HEADS, 1, chunk, 1, 0, true, Dropout.NONE);
          RunLayout layout = RunLayout.of(spec, hash);
          Tensor runs = scope.allocate(DType.I32, 2, HEADS, plain.rounds(), layout.entries());
          backend.lshRuns(runs, order, buckets, spec, hash);
          int[] actual = backend.downloadInts(runs);
          for (int s = 0; s < segments; s++) {
            int[] own =
                Arrays.copyOfRange(
                    keys, s * length, s * length + (s < segments / 2 ? length : shorter));
            int from = s * layout.entries();
            assertArrayEquals(
                expectedRuns(own, layout, selection),
                Arrays.copyOfRange(actual, from, from + layout.entries()),
                hash + " segment " + s);
          }
        }
      }
    }
  }

  private static int[] expectedRuns(int[] buckets, RunLayout layout, LshSelection selection) {
    int[] expected = new int[layout.entries()];
    Arrays.fill(expected, -1);
    int chunk = layout.chunkLength();
    int chunks = 0;
    int highest = Arrays.stream(buckets).max().orElseThrow();
    for (int bucket = 0; bucket <= highest; bucket++) {
      int[] members = members(buckets, bucket, selection);
      for (int i = 0; i < members.length; i++) {
        int c = chunks + i / chunk;
        expected[c * chunk + i % chunk] = members[i];
        expected[layout.runsFrom() + c] = bucket;
        if (layout.distinct()) {
          expected[layout.chunksFrom() + members[i]] = c;
        }
      }
      chunks += (members.length + chunk - 1) / chunk;
    }
    return expected;
  }

  /** The positions of a bucket, or all by bucket as those of bucket 0. */
  private static int[] members(int[] buckets, int bucket, LshSelection selection) {
    if (selection == LshSelection.CAUSAL) {
      return IntStream.range(0, buckets.length).filter(t -> buckets[t] == bucket).toArray();
    }
    return bucket == 0 ? AttentionCases.sorted(buckets, buckets.length) : new int[0];
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sortRefusesOtherShapes(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor buckets = scope.allocate(DType.I32, 1, 6, 4);
      backend.upload(buckets, new int[24]);
      Tensor order = scope.allocate(DType.I32, 1, 6, 4);
      backend.lshSort(order, buckets, Sequences.full(1, 4), HashSpec.of(2, 4));
      refused(backend, order, buckets, Sequences.full(1, 4), 4, "R = 4 hash rounds");
      refused(backend, order, buckets, Sequences.full(4, 4), 2, "B = 4 sequences");
      refused(backend, order, buckets, Sequences.full(1, 5), 2, "T = 5 rows");
    }
  }

  private static void refused(
      Backend backend, Tensor order, Tensor buckets, Sequences all, int rounds, String words) {
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> backend.lshSort(order, buckets, all, HashSpec.of(rounds, 4)));
    assertTrue(error.getMessage().contains(words), error.getMessage());
  }
}
