package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.AttentionArguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.reference.ChunkedAttention.Head;

/**
 * What LSH and local attention share: checks, the loop over (sequence, head), the head mask, and
 * the tokens that have nothing but themselves.
 */
final class AttentionHeads {
  /** Makes the attention of one head of one sequence. */
  interface Factory {
    ChunkedAttention of(int sequence, int head);
  }

  private AttentionHeads() {}

  static void forward(
      Workers workers,
      String op,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      KeyRule rule,
      Factory factory) {
    boolean shared = rule == KeyRule.SHARED;
    KernelArguments.F32.attention(
        op, shared, out, lse, queries, keys, values, keyMask, headMask, spec);
    FloatRows o = FloatRows.of(out);
    FloatRows l = FloatRows.of(lse.reshape(1, lse.elements()));
    FloatRows q = FloatRows.of(queries);
    FloatRows k = FloatRows.of(keys);
    FloatRows v = FloatRows.of(values);
    IntRows mask = IntRows.orNull(keyMask);
    float[] heads = headFactors(headMask, spec);
    Sequences sequences = spec.sequences();
    workers.forRange(
        sequences.batch() * spec.heads(),
        1,
        (from, to) -> {
          double[] sums = new double[sequences.stride()];
          for (int i = from; i < to; i++) {
            int b = i / spec.heads();
            int h = i % spec.heads();
            Head head = head(q, k, v, mask, spec, b, h);
            clear(o, head, spec);
            factory.of(b, h).forward(head, o, sums);
            finish(head, o, sums, l.data, l.at(0) + i * sequences.stride(), spec, rule, heads[h]);
          }
        });
  }

  /** Stores the log-sum-exp, lets lonely tokens see themselves, and applies the head mask. */
  private static void finish(
      Head head,
      FloatRows out,
      double[] sums,
      float[] lse,
      int lseFrom,
      AttentionSpec spec,
      KeyRule rule,
      float headFactor) {
    int size = spec.headSize();
    for (int t = 0; t < spec.sequences().stride(); t++) {
      boolean real = t < head.length();
      double sum = real ? sums[t] : Double.NEGATIVE_INFINITY;
      lse[lseFrom + t] = (float) sum;
      if (!real) {
        continue;
      }
      int at = head.at(out, t);
      if (sum == Double.NEGATIVE_INFINITY && rule.excludesSelf()) {
        System.arraycopy(head.values().data, head.at(head.values(), t), out.data, at, size);
      }
      if (headFactor != 1f) {
        for (int d = 0; d < size; d++) {
          out.data[at + d] *= headFactor;
        }
      }
    }
  }

  static void backward(
      Workers workers,
      String op,
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      KeyRule rule,
      Factory factory) {
    boolean shared = rule == KeyRule.SHARED;
    KernelArguments.F32.attention(
        op, shared, out, lse, queries, keys, values, keyMask, headMask, spec);
    AttentionArguments.attentionGradients(op, shared, dQueries, dKeys, dValues, dOut, out, spec);
    FloatRows o = FloatRows.of(out);
    FloatRows dO = FloatRows.of(dOut);
    FloatRows l = FloatRows.of(lse.reshape(1, lse.elements()));
    FloatRows q = FloatRows.of(queries);
    FloatRows k = FloatRows.of(keys);
    FloatRows v = FloatRows.of(values);
    FloatRows dQ = FloatRows.of(dQueries);
    FloatRows dK = FloatRows.of(dKeys);
    FloatRows dV = FloatRows.of(dValues);
    IntRows mask = IntRows.orNull(keyMask);
    float[] heads = headFactors(headMask, spec);
    workers.forRange(
        spec.sequences().batch() * spec.heads(),
        1,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            int b = i / spec.heads();
            int h = i % spec.heads();
            Head head = head(q, k, v, mask, spec, b, h);
            clear(dQ, head, spec);
            clear(dK, head, spec);
            clear(dV, head, spec);
            int lseFrom = l.at(0) + i * spec.sequences().stride();
            factory.of(b, h).backward(head, o, l.data, lseFrom, dO, heads[h], dQ, dK, dV);
            if (rule.excludesSelf()) {
              lonely(head, l.data, lseFrom, dO, dV, spec, heads[h]);
            }
          }
        });
  }

  private static void lonely(
      Head head,
      float[] lse,
      int lseFrom,
      FloatRows dOut,
      FloatRows dValues,
      AttentionSpec spec,
      float headFactor) {
    for (int t = 0; t < head.length(); t++) {
      if (lse[lseFrom + t] == Float.NEGATIVE_INFINITY) {
        int from = head.at(dOut, t);
        int to = head.at(dValues, t);
        for (int d = 0; d < spec.headSize(); d++) {
          dValues.data[to + d] += dOut.data[from + d] * headFactor;
        }
      }
    }
  }

  /** Attention of a sequence as one chunk. */
  static ChunkedAttention whole(AttentionSpec spec, KeyRule rule, int rounds, int b) {
    int[] positions = new int[spec.sequences().length(b)];
    Arrays.setAll(positions, i -> i);
    Places places = Places.ring(positions, positions.length, positions.length, 0, 0);
    return new ChunkedAttention(spec, rule, places, rounds);
  }

  private static Head head(
      FloatRows q, FloatRows k, FloatRows v, IntRows mask, AttentionSpec spec, int b, int h) {
    return new Head(
        q,
        k,
        v,
        mask,
        b * spec.sequences().stride(),
        h * spec.headSize(),
        b * spec.heads() + h,
        spec.sequences().length(b));
  }

  private static void clear(FloatRows rows, Head head, AttentionSpec spec) {
    for (int t = 0; t < spec.sequences().stride(); t++) {
      int at = head.at(rows, t);
      Arrays.fill(rows.data, at, at + spec.headSize(), 0f);
    }
  }

  private static float[] headFactors(Tensor headMask, AttentionSpec spec) {
    float[] factors = new float[spec.heads()];
    Arrays.fill(factors, 1f);
    if (headMask != null) {
      FloatRows mask = FloatRows.of(headMask.reshape(1, headMask.elements()));
      System.arraycopy(mask.data, mask.at(0), factors, 0, factors.length);
    }
    return factors;
  }
}
