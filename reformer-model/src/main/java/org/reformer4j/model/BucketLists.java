package org.reformer4j.model;

import java.util.Arrays;

/**
 * The positions of one sequence, head and round by hash bucket: the stable sort by (bucket,
 * position), kept instead of made. A new position is the last of its bucket, so that only counts
 * change; a tree of partial sums over the buckets gives ranks and finds them again, in the
 * logarithm of the number of buckets, whatever the number of positions. Copies share what has been
 * listed: who adds to a bucket that others read, too, takes that bucket along.
 */
final class BucketLists {
  private static final int[] EMPTY = {};

  /** Positions of a page of the list of buckets. */
  private static final int PAGE = 256;

  private final int[][] positions;

  /** Whether nobody else reads the positions of a bucket. */
  private final boolean[] own;

  private final int[] counts;

  /** Binary indexed tree: entry i holds the positions in buckets i - lowest bit of i .. i - 1. */
  private final int[] tree;

  /** Bucket of every position, by page. */
  private int[][] pages;

  /** Leading pages that others read, too. */
  private int sharedPages;

  private int size;

  /**
   * Makes empty lists.
   *
   * @param count number of buckets, that of the padding included
   */
  BucketLists(int count) {
    positions = new int[count][];
    Arrays.fill(positions, EMPTY);
    own = new boolean[count];
    counts = new int[count];
    tree = new int[count + 1];
    pages = new int[4][];
  }

  private BucketLists(BucketLists other) {
    positions = other.positions.clone();
    own = new boolean[positions.length];
    counts = other.counts.clone();
    tree = other.tree.clone();
    pages = other.pages.clone();
    sharedPages = pages.length;
    size = other.size;
  }

  /** Returns lists with the same content that change independently. */
  BucketLists copy() {
    Arrays.fill(own, false);
    sharedPages = pages.length;
    return new BucketLists(this);
  }

  /** Returns the number of positions. */
  int size() {
    return size;
  }

  /** Returns the bucket of a position. */
  int bucket(int position) {
    return pages[position / PAGE][position % PAGE];
  }

  /** Adds the next position to a bucket. */
  void add(int bucket) {
    remember(bucket);
    int count = counts[bucket];
    if (!own[bucket] || count == positions[bucket].length) {
      positions[bucket] = Arrays.copyOf(positions[bucket], Math.max(4, count + count / 2));
      own[bucket] = true;
    }
    positions[bucket][count] = size++;
    change(bucket, 1);
  }

  private void remember(int bucket) {
    int page = size / PAGE;
    if (page == pages.length) {
      pages = Arrays.copyOf(pages, 2 * page);
    }
    if (page < sharedPages) {
      // What lies behind was taken away here, and may still be read elsewhere.
      Arrays.fill(pages, page + 1, sharedPages, null);
      sharedPages = page;
      pages[page] = pages[page] == null ? null : pages[page].clone();
    }
    if (pages[page] == null) {
      pages[page] = new int[PAGE];
    }
    pages[page][size % PAGE] = bucket;
  }

  /** Takes the last positions away until there are so many. */
  void truncate(int length) {
    while (size > length) {
      size--;
      change(bucket(size), -1);
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
    for (int i = bucketOfLast() + 1; i > 0; i -= i & -i) {
      rank += tree[i];
    }
    return rank;
  }

  /**
   * Reads positions of the bucket of the position added last, that one among them.
   *
   * @param target receives them
   * @param at where the first one goes
   * @param chunk C, positions of a chunk of the bucket
   * @param before chunks to read before the last one
   * @return how many there are
   */
  int readOwn(int[] target, int at, int chunk, int before) {
    int bucket = bucketOfLast();
    int count = counts[bucket];
    int from = Math.max(0, (count - 1) / chunk - before) * chunk;
    System.arraycopy(positions[bucket], from, target, at, count - from);
    return count - from;
  }

  private int bucketOfLast() {
    return bucket(size - 1);
  }

  /**
   * Reads positions in the order of the sort, cyclically.
   *
   * @param target receives them
   * @param at where the first one goes
   * @param length how many
   * @param rank rank of the first one; may be negative or beyond the last
   */
  void read(int[] target, int at, int length, int rank) {
    int from = Math.floorMod(rank, size);
    int filled = 0;
    while (filled < length) {
      int bucket = 0;
      int place = from;
      // The last bucket before which there are at most `from` positions.
      for (int step = Integer.highestOneBit(tree.length - 1); step > 0; step >>= 1) {
        if (bucket + step < tree.length && tree[bucket + step] <= place) {
          bucket += step;
          place -= tree[bucket];
        }
      }
      int run = Math.min(counts[bucket] - place, length - filled);
      System.arraycopy(positions[bucket], place, target, at + filled, run);
      filled += run;
      from = from + run == size ? 0 : from + run;
    }
  }
}
