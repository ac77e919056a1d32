package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.Arguments;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/**
 * Attention of one query per (sequence, head) to listed rows. The arithmetic is that of {@link
 * ChunkedAttention}, so that a query which sees the same keys in the same order gets the same bits.
 */
final class DecodeAttention {
  private static final String OP = "decodeAttention";
  private static final int NONE = -1;

  private final FloatRows out;
  private final FloatRows queries;
  private final FloatRows keys;
  private final FloatRows values;
  private final IntRows rows;
  private final IntRows own;
  private final FloatRows headMask;
  private final DecodeSpec spec;
  private final KeyRule rule;

  private DecodeAttention(
      Tensor out,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor rows,
      Tensor own,
      Tensor headMask,
      DecodeSpec spec) {
    this.out = FloatRows.of(out);
    this.queries = FloatRows.of(queries);
    this.keys = FloatRows.of(keys);
    this.values = FloatRows.of(values);
    this.rows = IntRows.of(rows);
    this.own = IntRows.orNull(own);
    this.headMask = FloatRows.orNull(headMask == null ? null : headMask.reshape(1, spec.heads()));
    this.spec = spec;
    this.rule = spec.shared() ? KeyRule.SHARED : KeyRule.SEPARATE;
  }

  static void run(
      Workers workers,
      Tensor out,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor rows,
      Tensor own,
      Tensor headMask,
      DecodeSpec spec) {
    KernelArguments.F32.decodeAttention(out, queries, keys, values, rows, own, headMask, spec);
    DecodeAttention attention =
        new DecodeAttention(out, queries, keys, values, rows, own, headMask, spec);
    attention.check();
    workers.forRange(
        spec.batch() * spec.heads(),
        1,
        (from, to) -> {
          Scratch scratch = attention.new Scratch();
          for (int i = from; i < to; i++) {
            scratch.attend(i / spec.heads(), i % spec.heads());
          }
        });
  }

  /** Before anything is written. */
  private void check() {
    for (int i = 0; i < spec.entries(); i++) {
      check("rows", i, rows.get(i));
    }
    for (int b = 0; own != null && b < spec.batch(); b++) {
      check("own", b, own.get(b));
    }
  }

  private void check(String name, int place, int row) {
    if (row < NONE || row >= keys.rows) {
      throw Arguments.wrongRow(OP, name, place, keys.rows, row);
    }
  }

  /** The buffers of a thread. */
  private final class Scratch {
    private final int size = spec.headSize();
    private final int window = spec.window();
    private final float[] query = new float[size];
    private final float[][] key = new float[window][size];
    private final float[][] value = new float[window][size];
    private final float[] weights = new float[window];
    private final double[] scores = new double[window];
    private final float[][] result = new float[1][size];

    void attend(int b, int h) {
      int column = h * size;
      int target = out.at(b) + column;
      int self = own == null ? NONE : own.get(b);
      System.arraycopy(queries.data, queries.at(b) + column, query, 0, size);
      Arrays.fill(out.data, target, target + size, 0f);
      double lse = Double.NEGATIVE_INFINITY;
      for (int round = 0; round < spec.rounds(); round++) {
        int list = ((b * spec.heads() + h) * spec.rounds() + round) * window;
        int count = gather(list, self, column);
        if (count > 0) {
          lse = ChunkedAttention.merge(out.data, target, lse, result[0], average(count), size);
        }
      }
      if (lse == Double.NEGATIVE_INFINITY && self != NONE) {
        System.arraycopy(values.data, values.at(self) + column, out.data, target, size);
      }
      if (headMask != null) {
        float factor = headMask.data[headMask.at(0) + h];
        for (int d = 0; d < size; d++) {
          out.data[target + d] *= factor;
        }
      }
    }

    /** Fills keys and values of a list, and returns how many there are. */
    private int gather(int list, int self, int column) {
      int count = 0;
      for (int i = 0; i < window; i++) {
        int row = rows.get(list + i);
        if (row != NONE && row != self) {
          rule.forward(keys.data, keys.at(row) + column, key[count], size);
          System.arraycopy(values.data, values.at(row) + column, value[count++], 0, size);
        }
      }
      return count;
    }

    /** result = softmax(scores) values; returns the log-sum-exp. */
    private double average(int count) {
      double high = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < count; i++) {
        float sum = 0;
        for (int d = 0; d < size; d++) {
          sum = Math.fma(query[d], key[i][d], sum);
        }
        scores[i] = sum;
        high = Math.max(high, sum);
      }
      double lse = Exp.softmax(weights, scores, high, count);
      RowProducts.clear(result, 1, size);
      RowProducts.accumulate(result, new float[][] {weights}, value, 1, count, size);
      return lse;
    }
  }
}
