package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** Positions by ascending bucket, ties in the original order. */
final class LshSort {
  /** Most buckets that are counted for each position; where there are more, keys are sorted. */
  private static final int BUCKETS_PER_POSITION = 8;

  private LshSort() {}

  static void run(Workers workers, Tensor order, Tensor buckets, HashSpec hash) {
    String op = "lshSort";
    KernelArguments.lshSort(order, buckets, hash);
    long length = buckets.columns();
    IntRows source = IntRows.of(buckets);
    IntRows target = IntRows.of(order);
    int t = (int) length;
    workers.forRange(
        (int) buckets.rows(),
        1,
        (from, to) -> {
          int[] places = new int[t];
          for (int segment = from; segment < to; segment++) {
            sort(op, source, segment * t, t, hash.buckets(), places, 0);
            for (int i = 0; i < t; i++) {
              target.set(segment * t + i, places[i]);
            }
          }
        });
  }

  /**
   * Sorts one segment.
   *
   * @param op operation, for the message
   * @param buckets of all segments
   * @param first index of the segment's first bucket
   * @param length number of positions
   * @param count number of the padding bucket, the largest
   * @param places receives the positions
   * @param from index of the first place
   */
  static void sort(
      String op, IntRows buckets, int first, int length, int count, int[] places, int from) {
    for (int t = 0; t < length; t++) {
      int bucket = buckets.get(first + t);
      if (bucket < 0 || bucket > count) {
        throw new IllegalArgumentException(
            op
                + ": bucket of position "
                + t
                + " must be in 0.."
                + count
                + " without round offsets, got "
                + bucket);
      }
    }
    if (count / BUCKETS_PER_POSITION <= length) {
      count(buckets, first, length, count, places, from);
    } else {
      compare(buckets, first, length, places, from);
    }
  }

  private static void count(
      IntRows buckets, int first, int length, int count, int[] places, int from) {
    int[] next = new int[count + 2];
    for (int t = 0; t < length; t++) {
      next[buckets.get(first + t) + 1]++;
    }
    for (int i = 0; i < count; i++) {
      next[i + 1] += next[i];
    }
    for (int t = 0; t < length; t++) {
      places[from + next[buckets.get(first + t)]++] = t;
    }
  }

  /** Keys of bucket and position all differ, so that any sort of them is stable. */
  private static void compare(IntRows buckets, int first, int length, int[] places, int from) {
    long[] keys = new long[length];
    for (int t = 0; t < length; t++) {
      keys[t] = (long) buckets.get(first + t) << 32 | t;
    }
    Arrays.sort(keys);
    for (int i = 0; i < length; i++) {
      places[from + i] = (int) keys[i];
    }
  }
}
