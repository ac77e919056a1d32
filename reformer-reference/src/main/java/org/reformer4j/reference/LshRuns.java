package org.reformer4j.reference;

import org.reformer4j.api.AttentionArguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Tensor;

/** Sorted positions as runs of chunks. */
final class LshRuns {
  private final IntRows runs;
  private final IntRows order;
  private final IntRows buckets;
  private final RunLayout layout;
  private final boolean byBucket;

  private LshRuns(Tensor runs, Tensor order, Tensor buckets, AttentionSpec spec, HashSpec hash) {
    this.runs = IntRows.of(runs);
    this.order = IntRows.of(order);
    this.buckets = IntRows.of(buckets);
    this.layout = RunLayout.of(spec, hash);
    this.byBucket = hash.selection() == LshSelection.CAUSAL;
  }

  static void run(
      Workers workers,
      Tensor runs,
      Tensor order,
      Tensor buckets,
      AttentionSpec spec,
      HashSpec hash) {
    AttentionArguments.lshRuns(runs, order, buckets, spec, hash);
    LshRuns target = new LshRuns(runs, order, buckets, spec, hash);
    int perSequence = spec.heads() * hash.rounds();
    workers.forRange(
        spec.sequences().batch() * perSequence,
        1,
        (from, to) -> {
          for (int segment = from; segment < to; segment++) {
            target.segment(segment, spec.sequences().length(segment / perSequence));
          }
        });
  }

  private void segment(int segment, int length) {
    int chunk = layout.chunkLength();
    int from = segment * layout.entries();
    int sorted = segment * layout.stride();
    for (int i = 0; i < layout.entries(); i++) {
      runs.set(from + i, -1);
    }
    int place = 0;
    int run = 0;
    for (int i = 0; i < length; i++) {
      int position = order.get(sorted + i);
      if (position < 0 || position >= length) {
        throw new IllegalArgumentException(
            "lshRuns: order must list the positions 0.."
                + (length - 1)
                + " (lshSort does), got "
                + position
                + " as entry "
                + i);
      }
      if (byBucket) {
        int bucket = buckets.get(sorted + position);
        if (i > 0 && bucket != run) {
          place = (place + chunk - 1) / chunk * chunk;
        }
        run = bucket;
      }
      runs.set(from + place, position);
      runs.set(from + layout.runsFrom() + place / chunk, run);
      if (layout.distinct()) {
        runs.set(from + layout.chunksFrom() + position, place / chunk);
      }
      place++;
    }
  }
}
