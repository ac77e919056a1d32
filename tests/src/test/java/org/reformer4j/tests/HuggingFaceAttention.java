package org.reformer4j.tests;

import java.util.Arrays;
import java.util.Comparator;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;

/**
 * Attention in double with the arithmetic of Hugging Face's implementation: padding tokens that are
 * really there, mask constants -1e9 and -1e5, one sort over all rounds with bucket offsets, one
 * softmax per round, rounds weighted by their log-sum-exp. Nothing of it is shared with {@link
 * AttentionOracle}, which avoids every one of these.
 */
final class HuggingFaceAttention {
  /** Below this a score is one of the constants: nothing but the token itself, or nothing. */
  private static final double CONSTANT = -1e4;

  private final AttentionSpec spec;
  private final HashSpec hash;
  private final int[] buckets;
  private final int[] keyMask;
  private final float[] headMask;

  /** Positions, per row and head, at which dropout or a wholly masked window is not comparable. */
  final boolean[][] ambiguous;

  HuggingFaceAttention(
      AttentionSpec spec, HashSpec hash, int[] buckets, int[] keyMask, float[] headMask) {
    this.spec = spec;
    this.hash = hash;
    this.buckets = buckets;
    this.keyMask = keyMask;
    this.headMask = headMask;
    this.ambiguous = new boolean[(int) spec.sequences().rows()][spec.heads()];
  }

  /** Attends; arrays are [B*T * H*K]. */
  double[] attend(double[] queries, double[] keys, double[] values) {
    double[] out = new double[queries.length];
    for (int b = 0; b < spec.sequences().batch(); b++) {
      for (int h = 0; h < spec.heads(); h++) {
        head(b, h, queries, keys, values, out);
      }
    }
    return out;
  }

  private void head(int b, int h, double[] queries, double[] keys, double[] values, double[] out) {
    int size = spec.headSize();
    int length = spec.sequences().slots(b);
    double[][] q = padded(queries, b, h);
    double[][] k = padded(keys, b, h);
    double[][] v = padded(values, b, h);
    for (double[] row : k) {
      normalise(row);
    }
    int[] order = order(b, h);
    int rounds = order.length / length;
    double[][][] byRound = new double[rounds][length][];
    double[][] lse = new double[rounds][length];
    boolean whole = length <= spec.chunkLength();
    int chunk = whole ? length : spec.chunkLength();
    int before = whole ? 0 : spec.chunksBefore();
    int after = whole ? 0 : spec.chunksAfter();
    int chunks = order.length / chunk;
    int window = chunk * (1 + before + after);
    for (int place = 0; place < order.length; place++) {
      int token = order[place] % length;
      int round = order[place] / length;
      double[] scores = new double[window];
      int[] seen = new int[window];
      for (int w = 0; w < window; w++) {
        int other = Math.floorMod(place / chunk - before + w / chunk, chunks);
        seen[w] = order[other * chunk + w % chunk] % length;
        scores[w] = score(b, token, seen[w], q, k);
      }
      lse[round][token] = logSumExp(scores);
      double[] result = new double[size];
      for (int w = 0; w < window; w++) {
        double p = Math.exp(scores[w] - lse[round][token]) * dropout(b, h, round, token, w);
        for (int d = 0; d < size; d++) {
          result[d] += p * v[seen[w]][d];
        }
      }
      byRound[round][token] = result;
    }
    for (int t = 0; t < spec.sequences().length(b); t++) {
      double[] sums = new double[rounds];
      for (int r = 0; r < rounds; r++) {
        sums[r] = lse[r][t];
      }
      double total = logSumExp(sums);
      int row = b * spec.sequences().stride() + t;
      ambiguous[row][h] = total < CONSTANT && (hash == null || !spec.dropout().isNone());
      for (int r = 0; r < rounds; r++) {
        double weight = Math.exp(sums[r] - total) * (headMask == null ? 1 : headMask[h]);
        for (int d = 0; d < size; d++) {
          out[row * spec.width() + h * size + d] += weight * byRound[r][t][d];
        }
      }
    }
  }

  private double score(int b, int query, int key, double[][] q, double[][] k) {
    double score = 0;
    for (int d = 0; d < spec.headSize(); d++) {
      score += q[query][d] * k[key][d];
    }
    if (masked(b, key) || (spec.causal() && key > query)) {
      score = -1e9;
    }
    return hash != null && key == query ? -1e5 : score;
  }

  private boolean masked(int b, int t) {
    return t >= spec.sequences().length(b)
        || (keyMask != null && keyMask[b * spec.sequences().stride() + t] == 0);
  }

  private double dropout(int b, int h, int round, int token, int place) {
    if (spec.dropout().isNone() || token >= spec.sequences().length(b)) {
      return 1;
    }
    int rounds = hash == null ? 1 : hash.rounds();
    long row = ((long) b * spec.heads() + h) * rounds + round;
    float[] factor = new float[1];
    spec.dropout()
        .factors(
            factor, 0, 1, (row * spec.sequences().stride() + token) * spec.windowLength() + place);
    return factor[0];
  }

  /** Returns the sorted order of all rounds; entry = round * length + token. */
  private int[] order(int b, int h) {
    int length = spec.sequences().slots(b);
    boolean hashed = hash != null && length > spec.chunkLength();
    Integer[] order = new Integer[length * (hashed ? hash.rounds() : 1)];
    Arrays.setAll(order, i -> i);
    if (hashed) {
      long[] numbers = new long[order.length];
      for (int i = 0; i < numbers.length; i++) {
        int round = i / length;
        int token = i % length;
        int row = (b * spec.heads() + h) * hash.rounds() + round;
        int bucket =
            masked(b, token) ? hash.buckets() : buckets[row * spec.sequences().stride() + token];
        numbers[i] = (long) round * (hash.buckets() + 1) + bucket;
      }
      Arrays.sort(order, Comparator.comparingLong(i -> numbers[i]));
    }
    return Arrays.stream(order).mapToInt(Integer::intValue).toArray();
  }

  private void normalise(double[] row) {
    double square = 0;
    for (double x : row) {
      square += x * x / row.length;
    }
    double length = hash == null ? 1 : Math.sqrt(square + 1e-6);
    for (int d = 0; d < row.length; d++) {
      row[d] /= length * Math.sqrt(row.length);
    }
  }

  /** Returns one head of one sequence with padding rows of ones, which nobody may see. */
  private double[][] padded(double[] all, int b, int h) {
    double[][] rows = new double[spec.sequences().slots(b)][spec.headSize()];
    for (int t = 0; t < rows.length; t++) {
      int from = (b * spec.sequences().stride() + t) * spec.width() + h * spec.headSize();
      if (t < spec.sequences().length(b)) {
        System.arraycopy(all, from, rows[t], 0, spec.headSize());
      } else {
        Arrays.fill(rows[t], 1);
      }
    }
    return rows;
  }

  private static double logSumExp(double[] x) {
    double high = Arrays.stream(x).max().orElseThrow();
    double sum = 0;
    for (double value : x) {
      sum += Math.exp(value - high);
    }
    return high + Math.log(sum);
  }
}
