package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Dropout;

/**
 * Attention of one head of one sequence over a list of places cut into chunks. LSH attention gives
 * the places of all rounds one after the other, sorted by bucket; local attention the identity.
 *
 * <p>Chunk c sees chunks c-before .. c+after, cyclically or within its run. Of a query's window
 * count the keys that are real, not masked, not later (causal), not the query itself (shared QK),
 * and, where keys are distinct, not met in an earlier round. All windows of a query, over all
 * rounds, form one softmax over the multiset of their keys: softmax per window, then windows
 * combined by their log-sum-exp, which never meets the mask constants of other implementations
 * because masked keys are left out.
 */
final class ChunkedAttention {
  private static final double NOTHING = Double.NEGATIVE_INFINITY;

  /**
   * What is attended to: arrays of the whole batch and where this head and sequence lie in them.
   */
  record Head(
      FloatRows queries,
      FloatRows keys,
      FloatRows values,
      IntRows keyMask,
      int firstRow,
      int firstColumn,
      int index,
      int length) {
    boolean masked(int position) {
      return keyMask != null && keyMask.get(firstRow + position) == 0;
    }

    int at(FloatRows rows, int position) {
      return rows.at(firstRow + position) + firstColumn;
    }
  }

  private final AttentionSpec spec;
  private final Places places;
  private final int rounds;
  private final KeyRule rule;
  private final int chunk;
  private final int chunks;
  private final int windowChunks;
  private final int size;

  // The chunk at hand: real queries, and the keys of the window that may be seen at all.
  private int queryCount;
  private int keyCount;
  private final int[] queryPosition;
  private final int[] queryPlace;
  private final int[] keyPosition;
  private final int[] keyPlace;
  private final float[][] q;
  private final float[][] k;
  private final float[][] v;
  private final float[][] wide;
  private final float[][] scores;
  private final float[][] probabilities;
  private final double[] row;
  private final float[] factors;

  /**
   * Prepares attention over a list of places.
   *
   * @param spec masks
   * @param rule how keys come from rows
   * @param places which tokens see each other
   * @param rounds R, for the numbering of dropout only
   */
  ChunkedAttention(AttentionSpec spec, KeyRule rule, Places places, int rounds) {
    this.spec = spec;
    this.rule = rule;
    this.places = places;
    this.rounds = rounds;
    this.chunk = places.chunkLength();
    this.chunks = places.chunks();
    this.windowChunks = places.windowChunks();
    this.size = spec.headSize();
    int window = chunk * windowChunks;
    queryPosition = new int[chunk];
    queryPlace = new int[chunk];
    keyPosition = new int[window];
    keyPlace = new int[window];
    q = new float[chunk][size];
    k = new float[window][size];
    v = new float[window][size];
    wide = new float[size][window];
    scores = new float[chunk][window];
    probabilities = new float[chunk][window];
    row = new double[window];
    factors = new float[window];
  }

  /**
   * Computes output and log-sum-exp. The caller has set the output rows to zero.
   *
   * @param head what is attended to
   * @param out += rows of the output
   * @param lse [length], log-sum-exp per position, minus infinity where nothing was seen
   */
  void forward(Head head, FloatRows out, double[] lse) {
    float[][] result = new float[chunk][size];
    Arrays.fill(lse, 0, head.length(), NOTHING);
    for (int c = 0; c < chunks; c++) {
      load(head, c);
      if (queryCount == 0 || keyCount == 0) {
        continue;
      }
      score();
      double[] windowLse = new double[queryCount];
      for (int i = 0; i < queryCount; i++) {
        windowLse[i] = softmax(head, i);
      }
      RowProducts.clear(result, queryCount, size);
      RowProducts.accumulate(result, probabilities, v, queryCount, keyCount, size);
      for (int i = 0; i < queryCount; i++) {
        if (windowLse[i] != NOTHING) {
          merge(head, out, lse, queryPosition[i], result[i], windowLse[i]);
        }
      }
    }
  }

  /** out = weighted mean of what earlier windows gave and what this one gives. */
  private void merge(
      Head head, FloatRows out, double[] lse, int position, float[] result, double windowLse) {
    lse[position] = merge(out.data, head.at(out, position), lse[position], result, windowLse, size);
  }

  /** The same of a row that starts at an index; returns the log-sum-exp of both. */
  static double merge(float[] out, int at, double lse, float[] result, double windowLse, int size) {
    double total = Exp.logAdd(lse, windowLse);
    float old = (float) Math.exp(lse - total);
    float fresh = (float) Math.exp(windowLse - total);
    for (int d = 0; d < size; d++) {
      out[at + d] = out[at + d] * old + result[d] * fresh;
    }
    return total;
  }

  /**
   * Adds the gradients of one head.
   *
   * @param head what was attended to
   * @param out rows of the output, head mask included
   * @param lse log-sum-exp of the forward pass
   * @param lseFrom index of position 0 in lse
   * @param dOut rows of the output's gradient
   * @param headFactor factor of the head mask
   * @param dQueries += rows
   * @param dKeys += rows, the same object for shared QK
   * @param dValues += rows
   */
  void backward(
      Head head,
      FloatRows out,
      float[] lse,
      int lseFrom,
      FloatRows dOut,
      float headFactor,
      FloatRows dQueries,
      FloatRows dKeys,
      FloatRows dValues) {
    int window = chunk * windowChunks;
    float[][] dO = new float[chunk][size];
    float[][] dP = new float[chunk][window];
    float[][] tall = new float[window][chunk];
    float[][] dV = new float[window][size];
    float[][] dK = new float[window][size];
    float[][] dQ = new float[chunk][size];
    for (int c = 0; c < chunks; c++) {
      load(head, c);
      if (queryCount == 0 || keyCount == 0) {
        continue;
      }
      score();
      double[] delta = new double[queryCount];
      for (int i = 0; i < queryCount; i++) {
        delta[i] = loadOutputGradient(head, out, dOut, headFactor, i, dO[i]);
      }
      RowProducts.transpose(wide, v, keyCount, size);
      RowProducts.clear(dP, queryCount, keyCount);
      RowProducts.accumulate(dP, dO, wide, queryCount, size, keyCount);
      for (int i = 0; i < queryCount; i++) {
        // scores[i] becomes the gradient of the scores, probabilities[i] what multiplied the
        // values.
        scoreGradient(head, i, lse[lseFrom + queryPosition[i]], dP[i], delta[i]);
      }
      RowProducts.transpose(tall, probabilities, queryCount, keyCount);
      RowProducts.clear(dV, keyCount, size);
      RowProducts.accumulate(dV, tall, dO, keyCount, queryCount, size);
      RowProducts.clear(dQ, queryCount, size);
      RowProducts.accumulate(dQ, scores, k, queryCount, keyCount, size);
      RowProducts.transpose(tall, scores, queryCount, keyCount);
      RowProducts.clear(dK, keyCount, size);
      RowProducts.accumulate(dK, tall, q, keyCount, queryCount, size);
      for (int i = 0; i < queryCount; i++) {
        add(dQueries, head.at(dQueries, queryPosition[i]), dQ[i]);
      }
      for (int j = 0; j < keyCount; j++) {
        add(dValues, head.at(dValues, keyPosition[j]), dV[j]);
        rule.backward(
            head.keys().data,
            head.at(head.keys(), keyPosition[j]),
            dK[j],
            dKeys.data,
            head.at(dKeys, keyPosition[j]),
            size);
      }
    }
  }

  private void add(FloatRows target, int at, float[] values) {
    for (int d = 0; d < size; d++) {
      target.data[at + d] += values[d];
    }
  }

  private double loadOutputGradient(
      Head head, FloatRows out, FloatRows dOut, float factor, int i, float[] target) {
    int from = head.at(dOut, queryPosition[i]);
    int fromOut = head.at(out, queryPosition[i]);
    double delta = 0;
    for (int d = 0; d < size; d++) {
      float gradient = dOut.data[from + d];
      delta += (double) gradient * out.data[fromOut + d];
      target[d] = gradient * factor;
    }
    return delta;
  }

  /** Gathers the rows of chunk c and of its window, leaving out what no query may see. */
  private void load(Head head, int c) {
    queryCount = 0;
    for (int i = 0; i < chunk; i++) {
      int position = places.position(c * chunk + i);
      if (position >= 0) {
        queryPosition[queryCount] = position;
        queryPlace[queryCount] = c * chunk + i;
        System.arraycopy(
            head.queries().data, head.at(head.queries(), position), q[queryCount], 0, size);
        queryCount++;
      }
    }
    keyCount = 0;
    for (int w = 0; w < windowChunks; w++) {
      int other = places.inWindow(c, w);
      for (int i = 0; other >= 0 && i < chunk; i++) {
        int position = places.position(other * chunk + i);
        if (position >= 0 && !head.masked(position)) {
          keyPosition[keyCount] = position;
          keyPlace[keyCount] = w * chunk + i;
          rule.forward(head.keys().data, head.at(head.keys(), position), k[keyCount], size);
          System.arraycopy(
              head.values().data, head.at(head.values(), position), v[keyCount], 0, size);
          keyCount++;
        }
      }
    }
  }

  private void score() {
    RowProducts.transpose(wide, k, keyCount, size);
    RowProducts.clear(scores, queryCount, keyCount);
    RowProducts.accumulate(scores, q, wide, queryCount, size, keyCount);
  }

  /** Writes the scores that count into row, NOTHING elsewhere, and returns the largest. */
  private double maskedRow(int i) {
    int position = queryPosition[i];
    int round = places.isDistinct() ? places.roundOf(queryPlace[i]) : 0;
    int last = spec.causal() ? position : Integer.MAX_VALUE;
    int self = rule.excludesSelf() ? position : -1;
    float[] score = scores[i];
    double high = NOTHING;
    for (int j = 0; j < keyCount; j++) {
      int key = keyPosition[j];
      boolean repeated = round > 0 && places.isRepeated(round, position, key);
      boolean hidden = repeated || key > last || key == self;
      double value = hidden ? NOTHING : score[j];
      row[j] = value;
      high = Math.max(high, value);
    }
    return high;
  }

  /** Turns scores into probabilities of this window and returns their log-sum-exp. */
  private double softmax(Head head, int i) {
    double high = maskedRow(i);
    float[] p = probabilities[i];
    if (high == NOTHING) {
      Arrays.fill(p, 0, keyCount, 0f);
      return NOTHING;
    }
    double windowLse = Exp.softmax(p, row, high, keyCount);
    if (!spec.dropout().isNone()) {
      dropoutFactors(head, i);
      for (int j = 0; j < keyCount; j++) {
        p[j] *= factors[keyPlace[j]];
      }
    }
    return windowLse;
  }

  /** dS = P * (factor * dP - delta), with P = exp(s - lse) over all windows of the query. */
  private void scoreGradient(Head head, int i, float lse, float[] dP, double delta) {
    float[] dS = scores[i];
    float[] p = probabilities[i];
    if (maskedRow(i) == NOTHING) {
      Arrays.fill(dS, 0, keyCount, 0f);
      Arrays.fill(p, 0, keyCount, 0f);
      return;
    }
    for (int j = 0; j < keyCount; j++) {
      row[j] = Math.min(row[j] - lse, 0.0);
    }
    Exp.ofNonPositive(row, keyCount);
    boolean dropped = !spec.dropout().isNone();
    if (dropped) {
      dropoutFactors(head, i);
    }
    for (int j = 0; j < keyCount; j++) {
      float factor = dropped ? factors[keyPlace[j]] : 1f;
      p[j] = (float) (row[j] * factor);
      dS[j] = (float) (row[j] * ((double) dP[j] * factor - delta));
    }
  }

  private void dropoutFactors(Head head, int i) {
    Dropout dropout = spec.dropout();
    int round = places.roundOf(queryPlace[i]);
    long query =
        dropout.firstRow()
            + ((long) head.index() * rounds + round) * spec.sequences().stride()
            + queryPosition[i];
    dropout.factors(factors, 0, chunk * windowChunks, query * spec.windowLength());
  }
}
