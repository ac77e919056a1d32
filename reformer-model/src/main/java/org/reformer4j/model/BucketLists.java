package org.reformer4j.model;

import java.util.Arrays;

/**
 * The positions of one sequence, head and round by hash bucket: the stable sort by (bucket,
 * position), kept instead of made. A new position is the last of its bucket, so that only counts
 * change; a tree of partial sums over the buckets gives ranks and finds them again, in the
 * logarithm of the number of buckets, whatever the number of positions.
 */
final class BucketLists {
  private static final int[] EMPTY = {};

  private final int[][] positions;
  private final int[] counts;

  /** Binary indexed tree: entry i holds the positions in buckets i - lowest bit of i .. i - 1. */
  private final int[] tree;

  private int[] buckets;
  private int size;

  /**
   * Makes empty lists.
   *
   * @param count number of buckets, that of the padding included
   */
  BucketLists(int count) {
    positions = new int[count][];
    Arrays.fill(positions, EMPTY);
    counts = new int[count];
    tree = new int[count + 1];
    buckets = new int[16];
  }

  private BucketLists(BucketLists other) {
    positions = other.positions.clone();
    for (int i = 0; i < positions.length; i++) {
      // An empty list stays shared: nobody writes to it.
      positions[i] = positions[i].length == 0 ? EMPTY : positions[i].clone();
    }
    counts = other.counts.clone();
    tree = other.tree.clone();
    buckets = other.buckets.clone();
    size = other.size;
  }

  /** Returns lists of their own with the same content. */
  BucketLists copy() {
    return new BucketLists(this);
  }

  /** Returns the number of positions. */
  int size() {
    return size;
  }

  /** Adds the next position to a bucket. */
  void add(int bucket) {
    if (size == buckets.length) {
      buckets = Arrays.copyOf(buckets, 2 * size);
    }
    buckets[size] = bucket;
    int count = counts[bucket];
    if (count == positions[bucket].length) {
      positions[bucket] = Arrays.copyOf(positions[bucket], Math.max(4, 2 * count));
    }
    positions[bucket][count] = size++;
    change(bucket, 1);
  }

  /** Takes the last positions away until there are so many. */
  void truncate(int length) {
    while (size > length) {
      change(buckets[--size], -1);
    }
  }

  private void change(int bucket, int by) {
    counts[bucket] += by;
    for (int i = bucket + 1; i < tree.length; i += i & -i) {
      tree[i] += by;
    }
  }

  /** Returns the rank of the position added last: it stands at the end of its bucket. */
  int rankOfLast() {
    int rank = -1;
    for (int i = buckets[size - 1] + 1; i > 0; i -= i & -i) {
      rank += tree[i];
    }
    return rank;
  }

  /**
   * Reads positions in the order of the sort, cyclically.
   *
   * @param target receives as many positions as it is long
   * @param rank rank of the first one; may be negative or beyond the last
   */
  void read(int[] target, int rank) {
    int from = Math.floorMod(rank, size);
    int filled = 0;
    while (filled < target.length) {
      int bucket = 0;
      int place = from;
      // The last bucket before which there are at most `from` positions.
      for (int step = Integer.highestOneBit(tree.length - 1); step > 0; step >>= 1) {
        if (bucket + step < tree.length && tree[bucket + step] <= place) {
          bucket += step;
          place -= tree[bucket];
        }
      }
      int run = Math.min(counts[bucket] - place, target.length - filled);
      System.arraycopy(positions[bucket], place, target, filled, run);
      filled += run;
      from = from + run == size ? 0 : from + run;
    }
  }
}
