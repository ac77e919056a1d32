package org.reformer4j.model.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;

class WindowsTest {
  private static final int TOKENS = 8;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 15, 16, 17, 64, 65, 1000, 4097})
  void permutationsHitEveryNumberOnce(long size) {
    for (long epoch = 0; epoch < 5; epoch++) {
      KeyedPermutation permutation =
          new KeyedPermutation(new Philox.Stream(3, epoch, 0, RandomPurpose.DATA_ORDER), size);
      BitSet seen = new BitSet();
      for (long i = 0; i < size; i++) {
        long value = permutation.at(i);
        assertTrue(value >= 0 && value < size);
        seen.set((int) value);
      }
      assertEquals(size, seen.cardinality());
    }
  }

  @Test
  void permutationsOfHugeDomainsStayInside() {
    Philox.Stream stream = new Philox.Stream(3, 0, 0, RandomPurpose.DATA_ORDER);
    long size = (1L << 40) + 1;
    KeyedPermutation permutation = new KeyedPermutation(stream, size);
    Set<Long> seen = new HashSet<>();
    for (long i = 0; i < 1000; i++) {
      long value = permutation.at(size - 1 - i);
      assertTrue(value >= 0 && value < size);
      assertTrue(seen.add(value));
    }
    assertThrows(IllegalArgumentException.class, () -> new KeyedPermutation(stream, 0));
  }

  @Test
  void smallPermutationsAreNearlyUniform() {
    int[] firsts = new int[5];
    int epochs = 5000;
    for (int epoch = 0; epoch < epochs; epoch++) {
      Philox.Stream stream = new Philox.Stream(9, epoch, 0, RandomPurpose.DATA_ORDER);
      firsts[(int) new KeyedPermutation(stream, firsts.length).at(0)]++;
    }
    for (int count : firsts) {
      assertEquals(epochs / firsts.length, count, 200, Arrays.toString(firsts));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 9, 15, 16, 17, 23, 24, 803})
  void everyEpochVisitsEveryWindowOnce(int length) {
    Windows windows = new Windows(counting(length), TOKENS, 5);
    long perEpoch = windows.windowsPerEpoch();
    assertEquals(length / TOKENS, perEpoch);
    for (long epoch = 0; epoch < 20; epoch++) {
      long[] starts = new long[(int) perEpoch];
      for (int i = 0; i < perEpoch; i++) {
        starts[i] = windows.start(epoch * perEpoch + i);
      }
      Arrays.sort(starts);
      assertTrue(starts[0] >= 0 && starts[0] < TOKENS);
      for (int i = 1; i < perEpoch - 1; i++) {
        assertEquals(starts[0] + (long) i * TOKENS, starts[i]);
      }
      long last = starts[(int) perEpoch - 1];
      assertTrue(last <= length - TOKENS);
      assertEquals(Math.min(starts[0] + (perEpoch - 1) * TOKENS, length - TOKENS), last);
    }
  }

  @Test
  void bordersMoveAndOrdersDiffer() {
    Windows windows = new Windows(counting(803), TOKENS, 5);
    long perEpoch = windows.windowsPerEpoch();
    Set<Long> offsets = new HashSet<>();
    Set<Long> firsts = new HashSet<>();
    for (long epoch = 0; epoch < 100; epoch++) {
      long smallest = Long.MAX_VALUE;
      for (long i = 0; i < perEpoch; i++) {
        smallest = Math.min(smallest, windows.start(epoch * perEpoch + i));
      }
      offsets.add(smallest);
      firsts.add((windows.start(epoch * perEpoch) - smallest) / TOKENS);
    }
    assertEquals(TOKENS, offsets.size());
    assertTrue(firsts.size() > 40, "first windows: " + firsts);
  }

  @Test
  void aWindowDependsOnSeedAndIndexAlone() {
    Windows windows = new Windows(counting(803), TOKENS, 5);
    Windows again = new Windows(counting(803), TOKENS, 5);
    Windows other = new Windows(counting(803), TOKENS, 6);
    long[] starts = new long[300];
    long[] others = new long[300];
    for (int i = 299; i >= 0; i--) {
      starts[i] = windows.start(i);
      others[i] = other.start(i);
    }
    for (int i = 0; i < 300; i++) {
      assertEquals(starts[i], again.start(i));
    }
    assertNotEquals(Arrays.toString(starts), Arrays.toString(others));
  }

  @Test
  void copiesTheIds() {
    Windows windows = new Windows(counting(100), TOKENS, 5);
    int[] ids = new int[TOKENS + 2];
    for (long index = 0; index < 50; index++) {
      windows.copy(index, ids, 1);
      int start = (int) windows.start(index);
      int[] expected = new int[TOKENS + 2];
      for (int i = 0; i < TOKENS; i++) {
        expected[i + 1] = start + i + 2;
      }
      assertArrayEquals(expected, ids);
    }
    assertThrows(IndexOutOfBoundsException.class, () -> windows.copy(0, ids, 3));
    assertThrows(IllegalArgumentException.class, () -> windows.start(-1));
  }

  @Test
  void textsShorterThanAWindowAreRefused() {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> new Windows(counting(7), TOKENS, 0));
    assertEquals(
        "the text has 7 tokens, fewer than the 8 of one window: use a shorter context or more text",
        thrown.getMessage());
    assertThrows(IllegalArgumentException.class, () -> new Windows(counting(7), 0, 0));
  }

  private static Corpus counting(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) i;
    }
    return Corpus.of(bytes);
  }
}
