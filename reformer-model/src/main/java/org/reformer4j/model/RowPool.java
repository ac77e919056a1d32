package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The projected rows of one layer of a cache and all its forks, in blocks that several of them may
 * own: keys, or query-keys, and values. One matrix each, for that is what an operation reads, so
 * that more blocks mean copying all of them; an eighth at a time, which costs eight copies of a row
 * over its life and keeps the room that nobody uses small.
 */
final class RowPool {
  /** Rows of a block: what a fork copies at most, against what its table of blocks takes. */
  static final int BLOCK = 32;

  private final Backend backend;
  private final TensorScope parent;
  private final DType type;
  private final long width;
  private TensorScope scope;
  private Tensor keys;
  private Tensor values;

  /** How many own each block. */
  private int[] owners = {};

  /** Blocks of nobody; the first {@link #freeCount} entries count. */
  private int[] free = {};

  private int freeCount;

  /** Makes a pool without blocks, of rows [H*K]. */
  RowPool(Backend backend, TensorScope parent, DType type, long width) {
    this.backend = backend;
    this.parent = parent;
    this.type = type;
    this.width = width;
  }

  /**
   * Sees to it that so many blocks can be taken.
   *
   * @throws org.reformer4j.api.OutOfDeviceMemoryException if there is no room; nothing has changed
   */
  void reserve(int blocks) {
    if (freeCount >= blocks) {
      return;
    }
    int old = owners.length;
    int count = Math.max(old + old / 8, Math.addExact(old - freeCount, blocks));
    TensorScope larger = parent.child("rows");
    boolean done = false;
    try {
      int rows = Math.multiplyExact(count, BLOCK);
      Tensor largerKeys = larger.allocate(type, rows, width);
      Tensor largerValues = larger.allocate(type, rows, width);
      if (old > 0) {
        backend.copy(largerKeys.rows(0, (long) old * BLOCK), keys);
        backend.copy(largerValues.rows(0, (long) old * BLOCK), values);
        scope.close();
      }
      keys = largerKeys;
      values = largerValues;
      done = true;
    } finally {
      if (!done) {
        larger.close();
      }
    }
    scope = larger;
    owners = Arrays.copyOf(owners, count);
    free = Arrays.copyOf(free, count);
    for (int block = count - 1; block >= old; block--) {
      free[freeCount++] = block;
    }
  }

  /** Returns a block of the caller alone, of those that were reserved. */
  int take() {
    int block = free[--freeCount];
    owners[block] = 1;
    return block;
  }

  /** Returns the block, which has one owner more. */
  int share(int block) {
    owners[block]++;
    return block;
  }

  /** Returns whether a block has other owners. */
  boolean isShared(int block) {
    return owners[block] > 1;
  }

  /** Takes one owner from a block. */
  void release(int block) {
    if (--owners[block] == 0) {
      free[freeCount++] = block;
    }
  }

  /** Copies the first rows of a block to another one. */
  void copy(int target, int source, int rows) {
    write((long) target * BLOCK, keys, values, (long) source * BLOCK, rows);
  }

  /** Copies rows of other matrices. */
  void write(long row, Tensor fromKeys, Tensor fromValues, long from, long rows) {
    backend.copy(keys.rows(row, rows), fromKeys.rows(from, rows));
    backend.copy(values.rows(row, rows), fromValues.rows(from, rows));
  }

  /** Returns keys or query-keys, [rows, H*K]. */
  Tensor keys() {
    return keys;
  }

  /** Returns values, [rows, H*K]. */
  Tensor values() {
    return values;
  }
}
