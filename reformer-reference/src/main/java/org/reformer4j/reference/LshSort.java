package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionArguments;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Positions by ascending bucket, ties in the original order. */
final class LshSort {
  /** Most buckets that are counted for each position; where there are more, keys are sorted. */
  private static final int BUCKETS_PER_POSITION = 8;

  private LshSort() {}

  static void run(
      Workers workers, Tensor order, Tensor buckets, Sequences sequences, HashSpec hash) {
    AttentionArguments.lshSort(order, buckets, sequences, hash);
    IntRows source = IntRows.of(buckets);
    IntRows target = IntRows.of(order);
    int stride = sequences.stride();
    int segments = (int) buckets.rows();
    int perSequence = segments / sequences.batch();
    workers.forRange(
        segments,
        1,
        (from, to) -> {
          int[] places = new int[stride];
          for (int segment = from; segment < to; segment++) {
            int first = segment * stride;
            int length = sequences.length(segment / perSequence);
            sort(source, first, length, hash.buckets(), places);
            for (int i = 0; i < stride; i++) {
              target.set(first + i, i < length ? places[i] : i);
            }
          }
        });
  }

  /** Sorts the positions of one segment; bucket {@code count}, of the padding, is the largest. */
  private static void sort(IntRows buckets, int first, int length, int count, int[] places) {
    for (int t = 0; t < length; t++) {
      int bucket = buckets.get(first + t);
      if (bucket < 0 || bucket > count) {
        throw new IllegalArgumentException(
            "lshSort: bucket of position "
                + t
                + " must be in 0.."
                + count
                + " without round offsets, got "
                + bucket);
      }
    }
    if (count / BUCKETS_PER_POSITION <= length) {
      count(buckets, first, length, count, places);
    } else {
      compare(buckets, first, length, places);
    }
  }

  private static void count(IntRows buckets, int first, int length, int count, int[] places) {
    int[] next = new int[count + 2];
    for (int t = 0; t < length; t++) {
      next[buckets.get(first + t) + 1]++;
    }
    for (int i = 0; i < count; i++) {
      next[i + 1] += next[i];
    }
    for (int t = 0; t < length; t++) {
      places[next[buckets.get(first + t)]++] = t;
    }
  }

  /** Keys of bucket and position all differ, so that any sort of them is stable. */
  private static void compare(IntRows buckets, int first, int length, int[] places) {
    long[] keys = new long[length];
    for (int t = 0; t < length; t++) {
      keys[t] = (long) buckets.get(first + t) << 32 | t;
    }
    Arrays.sort(keys);
    for (int i = 0; i < length; i++) {
      places[i] = (int) keys[i];
    }
  }
}
