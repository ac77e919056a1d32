package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** Attention of one query per (sequence, head) to listed rows; sums in double. */
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
      throw KernelArguments.wrongRow(OP, name, place, keys.rows, row);
    }
  }

  /** The buffers of a thread. */
  private final class Scratch {
    private final float[] key = new float[spec.headSize()];
    private final double[] scores = new double[spec.rounds() * spec.window()];
    private final int[] found = new int[scores.length];
    private final double[] sums = new double[spec.headSize()];

    void attend(int b, int h) {
      int size = spec.headSize();
      int column = h * size;
      int target = out.at(b) + column;
      int self = own == null ? NONE : own.get(b);
      int count = score(queries.at(b) + column, (b * spec.heads() + h) * scores.length, self, h);
      if (count > 0) {
        average(count, column);
        for (int d = 0; d < size; d++) {
          out.data[target + d] = (float) sums[d];
        }
      } else if (self != NONE) {
        System.arraycopy(values.data, values.at(self) + column, out.data, target, size);
      } else {
        Arrays.fill(out.data, target, target + size, 0f);
      }
      if (headMask != null) {
        float factor = headMask.data[headMask.at(0) + h];
        for (int d = 0; d < size; d++) {
          out.data[target + d] *= factor;
        }
      }
    }

    /** Fills scores and rows found, and returns how many there are. */
    private int score(int query, int list, int self, int h) {
      int size = spec.headSize();
      int count = 0;
      for (int i = 0; i < scores.length; i++) {
        int row = rows.get(list + i);
        if (row == NONE || row == self) {
          continue;
        }
        rule.forward(keys.data, keys.at(row) + h * size, key, size);
        double sum = 0;
        for (int d = 0; d < size; d++) {
          sum += (double) queries.data[query + d] * key[d];
        }
        scores[count] = sum;
        found[count++] = row;
      }
      return count;
    }

    /** sums = softmax(scores) values. */
    private void average(int count, int column) {
      double highest = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < count; i++) {
        highest = Math.max(highest, scores[i]);
      }
      double total = 0;
      for (int i = 0; i < count; i++) {
        scores[i] = Math.exp(scores[i] - highest);
        total += scores[i];
      }
      Arrays.fill(sums, 0);
      for (int i = 0; i < count; i++) {
        double weight = scores[i] / total;
        int value = values.at(found[i]) + column;
        for (int d = 0; d < sums.length; d++) {
          sums[d] += weight * values.data[value + d];
        }
      }
    }
  }
}
