package org.reformer4j.reference;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Tensor;

/**
 * What new tokens of an LSH layer see, listed from tables: position t stands at rank start[bucket
 * of t] + rank of t in the sorted order, and each round lists a window of ranks.
 */
final class LshDecodeLists {
  private static final String OP = "lshDecodeLists";

  private final IntRows listed;
  private final IntRows places;
  private final IntRows buckets;
  private final IntRows ranks;
  private final IntRows counts;
  private final AttentionSpec spec;
  private final HashSpec hash;
  private final int window;
  private final int capacity;

  /** First rank and number of the places that each round of a head lists. */
  private final int[] first;

  private final int[] size;

  /** Rank of the first position of each bucket, by round. */
  private final int[][] start;

  private LshDecodeLists(
      Tensor listed,
      Tensor places,
      Tensor buckets,
      Tensor ranks,
      Tensor counts,
      AttentionSpec spec,
      HashSpec hash) {
    this.listed = IntRows.of(listed);
    this.places = IntRows.of(places);
    this.buckets = IntRows.of(buckets);
    this.ranks = IntRows.of(ranks);
    this.counts = IntRows.of(counts);
    this.spec = spec;
    this.hash = hash;
    this.window = (int) listed.columns();
    this.capacity = spec.sequences().stride();
    this.first = new int[hash.rounds()];
    this.size = new int[hash.rounds()];
    this.start = new int[hash.rounds()][hash.buckets() + 1];
  }

  static void run(
      Tensor listed,
      Tensor places,
      Tensor buckets,
      Tensor ranks,
      Tensor counts,
      Tensor hashed,
      Tensor own,
      Tensor lengths,
      AttentionSpec spec,
      HashSpec hash) {
    KernelArguments.lshDecodeLists(
        listed, places, buckets, ranks, counts, hashed, own, lengths, spec, hash);
    IntRows found = IntRows.of(hashed);
    IntRows rows = IntRows.of(own);
    IntRows before = IntRows.of(lengths);
    int batch = spec.sequences().batch();
    for (int b = 0; b < batch; b++) {
      int length = before.get(b);
      if (length < 0 || length >= spec.sequences().stride()) {
        throw KernelArguments.wrongIndex(OP, "lengths", b, spec.sequences().stride(), length);
      }
    }
    for (int i = 0; i < hashed.elements(); i++) {
      if (found.get(i) < 0 || found.get(i) > hash.buckets()) {
        throw KernelArguments.wrongIndex(OP, "hashed", i, hash.buckets() + 1L, found.get(i));
      }
    }
    LshDecodeLists lists = new LshDecodeLists(listed, places, buckets, ranks, counts, spec, hash);
    for (int b = 0; b < batch; b++) {
      int length = before.get(b);
      lists.places.set(b * lists.capacity + length, rows.get(b));
      for (int h = 0; h < spec.heads(); h++) {
        for (int r = 0; r < hash.rounds(); r++) {
          int bucket = found.get((h * hash.rounds() + r) * batch + b);
          lists.enter(lists.segment(b, h, r), r, length, bucket);
        }
        for (int r = 0; r < hash.rounds(); r++) {
          lists.list(b, h, r, length + 1);
        }
      }
    }
  }

  private int segment(int b, int h, int r) {
    return (b * spec.heads() + h) * hash.rounds() + r;
  }

  /** Enters a token at a position and finds its window. */
  private void enter(int segment, int round, int position, int bucket) {
    int kinds = hash.buckets() + 1;
    int count = counts.get(segment * kinds + bucket);
    buckets.set(segment * capacity + position, bucket);
    ranks.set(segment * capacity + position, count);
    counts.set(segment * kinds + bucket, count + 1);
    for (int k = 1; k < kinds; k++) {
      start[round][k] = start[round][k - 1] + counts.get(segment * kinds + k - 1);
    }
    int chunk = spec.chunkLength();
    int before = spec.chunksBefore();
    if (hash.selection() == LshSelection.CAUSAL) {
      int from = Math.max(0, count / chunk - before) * chunk;
      first[round] = start[round][bucket] + from;
      size[round] = count + 1 - from;
      return;
    }
    first[round] = ((start[round][bucket] + count) / chunk - before) * chunk;
    size[round] = spec.windowLength();
    if (hash.distinct()) {
      int end = Math.min(first[round] + size[round], position + 1);
      first[round] = Math.max(first[round], 0);
      size[round] = end - first[round];
    }
  }

  private void list(int b, int h, int r, int length) {
    int at = segment(b, h, r) * window;
    for (int i = 0; i < window; i++) {
      listed.set(at + i, -1);
    }
    for (int t = 0; t < length; t++) {
      if (!isListedBefore(b, h, r, t)) {
        for (int i = Math.floorMod(rank(b, h, r, t) - first[r], length); i < size[r]; i += length) {
          listed.set(at + i, places.get(b * capacity + t));
        }
      }
    }
  }

  private boolean isListedBefore(int b, int h, int r, int t) {
    boolean listedBefore = false;
    for (int earlier = 0; hash.distinct() && earlier < r; earlier++) {
      int place = rank(b, h, earlier, t) - first[earlier];
      listedBefore |= place >= 0 && place < size[earlier];
    }
    return listedBefore;
  }

  private int rank(int b, int h, int r, int t) {
    int at = segment(b, h, r) * capacity + t;
    return start[r][buckets.get(at)] + ranks.get(at);
  }
}
