package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The projected rows of a layer that later tokens may attend to: keys, or query-keys, and values.
 * Each sequence has room for as many; where one needs more, the room of all doubles.
 */
final class CachedRows {
  /** Rows that fit behind a prompt before anything has to be moved. */
  private static final int ROOM = 64;

  private final Backend backend;
  private final TensorScope parent;

  /** First position that is kept of each sequence. */
  private final int[] first;

  private TensorScope scope;
  private Tensor keys;
  private Tensor values;
  private int capacity;

  private CachedRows(Backend backend, TensorScope parent, int[] first) {
    this.backend = backend;
    this.parent = parent;
    this.first = first;
  }

  /**
   * Copies rows of a prompt.
   *
   * @param keys [B*T, H*K]
   * @param values [B*T, H*K]
   * @param first first position to keep of each sequence
   * @param lengths positions of each sequence
   */
  static CachedRows of(
      Backend backend, TensorScope parent, Tensor keys, Tensor values, int[] first, int[] lengths) {
    CachedRows rows = new CachedRows(backend, parent, first.clone());
    int stride = (int) (keys.rows() / first.length);
    rows.allocate(rows.most(lengths) + ROOM, keys.type(), keys.columns());
    for (int b = 0; b < first.length; b++) {
      int count = lengths[b] - first[b];
      rows.copy(b, keys, values, (long) b * stride + first[b], count);
    }
    return rows;
  }

  /**
   * Copies these rows.
   *
   * @param target holds the copy
   * @param lengths positions of each sequence
   */
  CachedRows copy(TensorScope target, int[] lengths) {
    CachedRows rows = new CachedRows(backend, target, first);
    rows.allocate(capacity, keys.type(), keys.columns());
    rows.copyAll(this, lengths);
    return rows;
  }

  private void copyAll(CachedRows source, int[] lengths) {
    for (int b = 0; b < first.length; b++) {
      copy(b, source.keys, source.values, (long) b * source.capacity, lengths[b] - first[b]);
    }
  }

  private void copy(int b, Tensor fromKeys, Tensor fromValues, long from, int count) {
    long to = (long) b * capacity;
    backend.copy(keys.rows(to, count), fromKeys.rows(from, count));
    backend.copy(values.rows(to, count), fromValues.rows(from, count));
  }

  private int most(int[] lengths) {
    int most = 0;
    for (int b = 0; b < first.length; b++) {
      most = Math.max(most, lengths[b] - first[b]);
    }
    return most;
  }

  private void allocate(int rows, DType type, long width) {
    scope = parent.child("rows");
    boolean done = false;
    try {
      keys = scope.allocate(type, (long) first.length * rows, width);
      values = scope.allocate(type, (long) first.length * rows, width);
      capacity = rows;
      done = true;
    } finally {
      if (!done) {
        scope.close();
      }
    }
  }

  /**
   * Adds one row to each sequence.
   *
   * @param newKeys [B, H*K]
   * @param newValues [B, H*K]
   * @param lengths positions of each sequence so far
   */
  void append(Tensor newKeys, Tensor newValues, int[] lengths) {
    if (most(lengths) == capacity) {
      grow(lengths);
    }
    for (int b = 0; b < first.length; b++) {
      long row = row(b, lengths[b]);
      backend.copy(keys.rows(row, 1), newKeys.rows(b, 1));
      backend.copy(values.rows(row, 1), newValues.rows(b, 1));
    }
  }

  private void grow(int[] lengths) {
    CachedRows larger = new CachedRows(backend, parent, first);
    larger.allocate(Math.multiplyExact(capacity, 2), keys.type(), keys.columns());
    larger.copyAll(this, lengths);
    scope.close();
    scope = larger.scope;
    keys = larger.keys;
    values = larger.values;
    capacity = larger.capacity;
  }

  /** Returns the row of a position that is kept. */
  int row(int b, int position) {
    return b * capacity + position - first[b];
  }

  /** Returns the first position that is kept of a sequence. */
  int first(int b) {
    return first[b];
  }

  /** Returns keys or query-keys, [B * room, H*K]. */
  Tensor keys() {
    return keys;
  }

  /** Returns values, [B * room, H*K]. */
  Tensor values() {
    return values;
  }
}
