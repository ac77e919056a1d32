package org.reformer4j.reference;

import org.reformer4j.api.Arguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DecodeArguments;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Tensor;

/**
 * What a new token of each sequence attends to. Ranks within buckets never change once a token is
 * there, so that the rank of a position among all is the number of positions in smaller buckets
 * plus its own: one pass over the positions, and no sort.
 */
final class LshDecodeLists {
  private static final String OP = "lshDecodeLists";
  private static final int NONE = -1;

  private final IntRows listed;
  private final IntRows places;
  private final IntRows buckets;
  private final IntRows ranks;
  private final IntRows counts;
  private final IntRows hashed;
  private final IntRows own;
  private final IntRows lengths;
  private final AttentionSpec spec;
  private final HashSpec hash;
  private final int batch;
  private final int rounds;
  private final int room;
  private final int width;
  private final int bucketCount;

  private LshDecodeLists(
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
    this.listed = IntRows.of(listed);
    this.places = IntRows.of(places);
    this.buckets = IntRows.of(buckets);
    this.ranks = IntRows.of(ranks);
    this.counts = IntRows.of(counts);
    this.hashed = IntRows.of(hashed);
    this.own = IntRows.of(own);
    this.lengths = IntRows.of(lengths);
    this.spec = spec;
    this.hash = hash;
    this.batch = spec.sequences().batch();
    this.rounds = hash.rounds();
    this.room = spec.sequences().stride();
    this.width = (int) (listed.elements() / ((long) batch * spec.heads() * rounds));
    this.bucketCount = hash.buckets() + 1;
  }

  static void run(
      Workers workers,
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
    DecodeArguments.lshDecodeLists(
        listed, places, buckets, ranks, counts, hashed, own, lengths, spec, hash);
    LshDecodeLists lists =
        new LshDecodeLists(
            listed, places, buckets, ranks, counts, hashed, own, lengths, spec, hash);
    lists.check();
    for (int b = 0; b < lists.batch; b++) {
      lists.places.set(b * lists.room + lists.lengths.get(b), lists.own.get(b));
    }
    workers.forRange(
        lists.batch * spec.heads(),
        1,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            lists.head(i / spec.heads(), i % spec.heads());
          }
        });
  }

  /** Before anything is written. */
  private void check() {
    for (int b = 0; b < batch; b++) {
      check("lengths", b, room, lengths.get(b));
    }
    int perSequence = spec.heads() * rounds;
    for (int i = 0; i < batch * perSequence; i++) {
      check("hashed", i, bucketCount, hashed.get(i));
      for (int t = 0; t < lengths.get(i / perSequence); t++) {
        check("buckets", i * room + t, bucketCount, buckets.get(i * room + t));
      }
    }
  }

  private static void check(String name, int place, int limit, int value) {
    if (value < 0 || value >= limit) {
      throw Arguments.wrongIndex(OP, name, place, limit, value);
    }
  }

  /** Lists all rounds of a head. */
  private void head(int b, int h) {
    Window[] windows = new Window[rounds];
    for (int r = 0; r < rounds; r++) {
      int segment = (b * spec.heads() + h) * rounds + r;
      windows[r] = enter(segment, b, hashed.get((h * rounds + r) * batch + b));
      for (int i = 0; i < width; i++) {
        listed.set(segment * width + i, NONE);
      }
      for (int t = 0; t < windows[r].positions; t++) {
        int slot = windows[r].slot(t);
        if (slot < windows[r].length && !(hash.distinct() && isListed(windows, r, t))) {
          for (; slot < windows[r].length; slot += windows[r].positions) {
            listed.set(segment * width + slot, places.get(b * room + t));
          }
        }
      }
    }
  }

  /** Returns whether a round before this one lists the position. */
  private static boolean isListed(Window[] windows, int round, int position) {
    for (int r = 0; r < round; r++) {
      if (windows[r].slot(position) < windows[r].length) {
        return true;
      }
    }
    return false;
  }

  /** Enters the new token and returns what it sees. */
  private Window enter(int segment, int b, int bucket) {
    int last = lengths.get(b);
    int table = segment * bucketCount;
    int count = counts.get(table + bucket);
    buckets.set(segment * room + last, bucket);
    ranks.set(segment * room + last, count);
    counts.set(table + bucket, count + 1);
    int[] starts = new int[bucketCount];
    for (int g = 1; g < bucketCount; g++) {
      starts[g] = starts[g - 1] + counts.get(table + g - 1);
    }
    int chunk = spec.chunkLength();
    int before = spec.chunksBefore();
    if (hash.selection() == LshSelection.CAUSAL) {
      int skipped = Math.max(0, count / chunk - before) * chunk;
      return new Window(segment, starts, last + 1, starts[bucket] + skipped, count + 1 - skipped);
    }
    int first = ((starts[bucket] + count) / chunk - before) * chunk;
    int length = spec.windowLength();
    if (hash.distinct()) {
      length = Math.min(first + length, last + 1) - Math.max(first, 0);
      first = Math.max(first, 0);
    }
    return new Window(segment, starts, last + 1, first, length);
  }

  /** The ranks first .. first + length - 1 of a segment, modulo the number of its positions. */
  private final class Window {
    private final int from;
    private final int[] starts;
    private final int positions;
    private final int first;
    private final int length;

    Window(int segment, int[] starts, int positions, int first, int length) {
      this.from = segment * room;
      this.starts = starts;
      this.positions = positions;
      this.first = first;
      this.length = length;
    }

    /**
     * Returns the first slot of a position; further ones follow at distances of all positions. It
     * lies behind the window where the position is not in it.
     */
    int slot(int position) {
      int rank = starts[buckets.get(from + position)] + ranks.get(from + position);
      return Math.floorMod(rank - first, positions);
    }
  }
}
