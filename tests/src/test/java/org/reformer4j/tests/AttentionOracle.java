package org.reformer4j.tests;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;

/**
 * Attention in double, written from the definition and for nothing but clarity: for every query the
 * explicit multiset of keys over all rounds, one softmax over it.
 *
 * <p>Arrays are [B*T][H*K].
 */
final class AttentionOracle {
  /** One key that a query sees: its position, and the number of its dropout element. */
  private record Seen(int position, long element) {}

  private final AttentionSpec spec;
  private final HashSpec hash;
  private final int[] buckets;
  private final int[] keyMask;
  private final float[] headMask;

  /**
   * Makes an oracle.
   *
   * @param hash null for local attention
   * @param buckets [B, H, R, T] for LSH attention
   * @param keyMask [B, T] or null
   * @param headMask [H] or null
   */
  AttentionOracle(
      AttentionSpec spec, HashSpec hash, int[] buckets, int[] keyMask, float[] headMask) {
    this.spec = spec;
    this.hash = hash;
    this.buckets = buckets;
    this.keyMask = keyMask;
    this.headMask = headMask;
  }

  double[][] attend(double[][] queries, double[][] keys, double[][] values) {
    int size = spec.headSize();
    double[][] out = new double[queries.length][spec.width()];
    for (int b = 0; b < spec.sequences().batch(); b++) {
      int first = b * spec.sequences().stride();
      for (int h = 0; h < spec.heads(); h++) {
        List<List<Seen>> seen = seen(b, h);
        for (int t = 0; t < spec.sequences().length(b); t++) {
          double[] result =
              one(
                  column(queries[first + t], h),
                  t,
                  seen.get(t),
                  rows(keys, first, b, h),
                  rows(values, first, b, h));
          for (int d = 0; d < size; d++) {
            out[first + t][h * size + d] = result[d] * (headMask == null ? 1 : headMask[h]);
          }
        }
      }
    }
    return out;
  }

  private double[] one(
      double[] query, int self, List<Seen> seen, double[][] keys, double[][] values) {
    int size = query.length;
    double[] out = new double[size];
    if (seen.isEmpty()) {
      return hash == null ? out : values[self].clone();
    }
    double[] weights = new double[seen.size()];
    double high = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < weights.length; j++) {
      double[] key = key(keys[seen.get(j).position()]);
      for (int d = 0; d < size; d++) {
        weights[j] += query[d] * key[d];
      }
      high = Math.max(high, weights[j]);
    }
    double sum = 0;
    for (int j = 0; j < weights.length; j++) {
      weights[j] = Math.exp(weights[j] - high);
      sum += weights[j];
    }
    float[] factor = {1f};
    for (int j = 0; j < weights.length; j++) {
      if (!spec.dropout().isNone()) {
        spec.dropout().factors(factor, 0, 1, seen.get(j).element());
      }
      for (int d = 0; d < size; d++) {
        out[d] += weights[j] / sum * factor[0] * values[seen.get(j).position()][d];
      }
    }
    return out;
  }

  private double[] key(double[] row) {
    double square = 0;
    for (double value : row) {
      square += value * value;
    }
    double divisor = Math.sqrt(row.length);
    if (hash != null) {
      divisor *= Math.sqrt(square / row.length + 1e-6);
    }
    double[] key = new double[row.length];
    for (int d = 0; d < row.length; d++) {
      key[d] = row[d] / divisor;
    }
    return key;
  }

  /** Returns what each position of a sequence sees. */
  private List<List<Seen>> seen(int b, int h) {
    int length = spec.sequences().length(b);
    int slots = spec.sequences().slots(b);
    int rounds = hash == null ? 1 : hash.rounds();
    boolean whole = slots <= spec.chunkLength();
    if (hash != null && hash.usesRuns() && !whole) {
      return seenInRuns(b, h);
    }
    List<Integer> places = new ArrayList<>();
    for (int r = 0; r < (whole ? 1 : rounds); r++) {
      List<Integer> order = new ArrayList<>();
      for (int t = 0; t < length; t++) {
        order.add(t);
      }
      if (hash != null && !whole) {
        int from = ((b * spec.heads() + h) * rounds + r) * spec.sequences().stride();
        order.sort(Comparator.comparingInt(t -> buckets[from + t]));
      }
      while (order.size() < slots) {
        order.add(-1);
      }
      places.addAll(order);
    }
    int chunk = whole ? places.size() : spec.chunkLength();
    int before = whole ? 0 : spec.chunksBefore();
    int after = whole ? 0 : spec.chunksAfter();
    int chunks = places.size() / chunk;
    List<List<Seen>> seen = new ArrayList<>();
    for (int t = 0; t < length; t++) {
      seen.add(new ArrayList<>());
    }
    for (int p = 0; p < places.size(); p++) {
      int query = places.get(p);
      if (query < 0) {
        continue;
      }
      long base =
          (((long) b * spec.heads() + h) * rounds + p / slots) * spec.sequences().stride() + query;
      for (int w = -before; w <= after; w++) {
        int other = Math.floorMod(p / chunk + w, chunks);
        for (int i = 0; i < chunk; i++) {
          int key = places.get(other * chunk + i);
          if (key >= 0 && visible(b, query, key)) {
            long element =
                (spec.dropout().firstRow() + base) * spec.windowLength()
                    + (long) (w + before) * chunk
                    + i;
            seen.get(query).add(new Seen(key, element));
          }
        }
      }
    }
    return seen;
  }

  /** The same where chunks see those of their own run, from the number of a token in its run. */
  private List<List<Seen>> seenInRuns(int b, int h) {
    int length = spec.sequences().length(b);
    int chunk = spec.chunkLength();
    boolean byBucket = hash.selection() == LshSelection.CAUSAL;
    List<List<Seen>> seen = new ArrayList<>();
    for (int query = 0; query < length; query++) {
      seen.add(new ArrayList<>());
      Set<Integer> met = new HashSet<>();
      for (int r = 0; r < hash.rounds(); r++) {
        int first = ((b * spec.heads() + h) * hash.rounds() + r) * spec.sequences().stride();
        List<Seen> found = new ArrayList<>();
        for (int key = 0; key < length; key++) {
          int number = numberInRun(first, length, key, byBucket);
          int distance = number / chunk - numberInRun(first, length, query, byBucket) / chunk;
          boolean together = !byBucket || buckets[first + key] == buckets[first + query];
          boolean near = distance >= -spec.chunksBefore() && distance <= spec.chunksAfter();
          if (together && near && visible(b, query, key)) {
            long row = spec.dropout().firstRow() + first + query;
            int place = (distance + spec.chunksBefore()) * chunk + number % chunk;
            found.add(new Seen(key, row * spec.windowLength() + place));
          }
        }
        for (Seen one : found) {
          if (met.add(one.position()) || !hash.distinct()) {
            seen.get(query).add(one);
          }
        }
      }
    }
    return seen;
  }

  /** How many tokens stand before one: in its bucket, or in the sort of all. */
  private int numberInRun(int first, int length, int token, boolean byBucket) {
    int number = 0;
    int own = buckets[first + token];
    for (int t = 0; t < length; t++) {
      int other = buckets[first + t];
      boolean before = other == own ? t < token : !byBucket && other < own;
      number += before ? 1 : 0;
    }
    return number;
  }

  private boolean visible(int b, int query, int key) {
    boolean masked = keyMask != null && keyMask[b * spec.sequences().stride() + key] == 0;
    return !masked && !(spec.causal() && key > query) && !(hash != null && key == query);
  }

  private double[] column(double[] row, int h) {
    double[] part = new double[spec.headSize()];
    System.arraycopy(row, h * part.length, part, 0, part.length);
    return part;
  }

  private double[][] rows(double[][] all, int first, int b, int h) {
    double[][] part = new double[spec.sequences().length(b)][];
    for (int t = 0; t < part.length; t++) {
      part[t] = column(all[first + t], h);
    }
    return part;
  }
}
