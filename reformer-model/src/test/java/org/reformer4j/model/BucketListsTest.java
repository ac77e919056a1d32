package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Lists against a sort. */
class BucketListsTest {
  /** Any number of buckets: the tree's edges lie at powers of two. */
  @Test
  void readsAsTheStableSortDoes() {
    for (int count : new int[] {1, 2, 3, 8, 9, 31, 64}) {
      Random random = new Random(count);
      BucketLists lists = new BucketLists(count);
      List<Integer> buckets = new ArrayList<>();
      for (int step = 0; step < 200; step++) {
        int bucket = random.nextInt(count);
        lists.add(bucket);
        buckets.add(bucket);
        check(lists, buckets, random);
      }
    }
  }

  @Test
  void truncationAndCopiesAreFreshLists() {
    Random random = new Random(3);
    BucketLists lists = new BucketLists(6);
    List<Integer> buckets = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      buckets.add(random.nextInt(6));
      lists.add(buckets.get(i));
    }
    BucketLists copy = lists.copy();
    List<Integer> kept = new ArrayList<>(buckets.subList(0, 17));
    lists.truncate(17);
    check(lists, kept, random);
    for (int i = 0; i < 50; i++) {
      kept.add(random.nextInt(6));
      lists.add(kept.get(17 + i));
      check(lists, kept, random);
    }
    check(copy, buckets, random);
  }

  /**
   * Copies of copies, each against a list of its own; pages and buckets are shared all the time.
   */
  @Test
  void copiesOfCopiesGoTheirOwnWay() {
    Random random = new Random(5);
    List<BucketLists> lists = new ArrayList<>(List.of(new BucketLists(9)));
    List<List<Integer>> buckets = new ArrayList<>(List.of(new ArrayList<>()));
    for (int step = 0; step < 400; step++) {
      int i = random.nextInt(lists.size());
      if (step % 20 == 19) {
        lists.add(lists.get(i).copy());
        buckets.add(new ArrayList<>(buckets.get(i)));
      }
      if (step % 7 == 6) {
        int kept = random.nextInt(buckets.get(i).size() + 1);
        lists.get(i).truncate(kept);
        buckets.set(i, new ArrayList<>(buckets.get(i).subList(0, kept)));
      }
      for (int added = random.nextInt(120); added >= 0; added--) {
        int bucket = random.nextInt(9);
        lists.get(i).add(bucket);
        buckets.get(i).add(bucket);
      }
      for (int j = 0; j < lists.size() && step % 40 == 39; j++) {
        if (!buckets.get(j).isEmpty()) {
          check(lists.get(j), buckets.get(j), random);
        }
      }
    }
  }

  private static void check(BucketLists lists, List<Integer> buckets, Random random) {
    int size = buckets.size();
    int[] sorted =
        IntStream.range(0, size)
            .boxed()
            .sorted(Comparator.comparing(buckets::get))
            .mapToInt(Integer::intValue)
            .toArray();
    assertEquals(size, lists.size());
    assertEquals(size - 1, sorted[lists.rankOfLast()], "the last position's rank");
    int from = random.nextInt(4 * size) - 2 * size;
    int[] window = new int[1 + random.nextInt(2 * size)];
    int[] expected = new int[window.length];
    for (int i = 0; i < window.length; i++) {
      expected[i] = sorted[Math.floorMod(from + i, size)];
    }
    lists.read(window, 0, window.length, from);
    assertArrayEquals(expected, window);
  }
}
