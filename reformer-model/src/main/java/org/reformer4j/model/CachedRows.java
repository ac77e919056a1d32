package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The projected rows of a layer that later tokens may attend to, sequence by sequence: a table of
 * blocks of a {@link RowPool}. Forks share blocks; who writes to one that has other owners takes a
 * copy of its own first.
 */
final class CachedRows {
  private static final int BLOCK = RowPool.BLOCK;

  private final RowPool pool;

  /** First position that is kept of each sequence. */
  private final int[] first;

  /** Blocks of each sequence; the first {@link #counts} entries count. */
  private final int[][] blocks;

  private final int[] counts;

  private CachedRows(RowPool pool, int[] first, int[][] blocks, int[] counts) {
    this.pool = pool;
    this.first = first;
    this.blocks = blocks;
    this.counts = counts;
  }

  /**
   * Copies rows of a prompt.
   *
   * @param pool holds them; has nothing yet
   * @param keys [B*T, H*K]
   * @param values [B*T, H*K]
   * @param first first position to keep of each sequence
   * @param lengths positions of each sequence
   */
  static CachedRows of(RowPool pool, Tensor keys, Tensor values, int[] first, int[] lengths) {
    int batch = first.length;
    CachedRows rows = new CachedRows(pool, first.clone(), new int[batch][0], new int[batch]);
    int needed = 0;
    for (int b = 0; b < batch; b++) {
      needed += blocksOf(lengths[b] - first[b]);
    }
    // Some room, so that neither the first tokens nor a few forks move everything.
    pool.reserve(needed + Math.max(batch, needed / 32));
    long stride = keys.rows() / batch;
    for (int b = 0; b < batch; b++) {
      rows.write(b, first[b], lengths[b] - first[b], keys, values, b * stride + first[b]);
    }
    return rows;
  }

  private static int blocksOf(int rows) {
    return (rows + BLOCK - 1) / BLOCK;
  }

  /**
   * Returns rows of some of the sequences, which go their own way and share all blocks until then.
   *
   * @param sequences which; one may be there more than once
   */
  CachedRows fork(int[] sequences) {
    int[] firsts = new int[sequences.length];
    int[][] tables = new int[sequences.length][];
    int[] used = new int[sequences.length];
    for (int i = 0; i < sequences.length; i++) {
      int b = sequences[i];
      firsts[i] = first[b];
      used[i] = counts[b];
      tables[i] = Arrays.copyOf(blocks[b], used[i]);
      for (int block : tables[i]) {
        pool.share(block);
      }
    }
    return new CachedRows(pool, firsts, tables, used);
  }

  /**
   * Lets a sequence begin elsewhere, with rows of a prompt.
   *
   * @param keys [B*T, H*K]
   * @param values [B*T, H*K]
   * @param from row of the first position
   * @param position the first position to keep
   * @param length positions of the sequence
   */
  void restart(int b, Tensor keys, Tensor values, long from, int position, int length) {
    truncate(b, first[b]);
    first[b] = position;
    pool.reserve(blocksOf(length - position));
    write(b, position, length - position, keys, values, from);
  }

  /**
   * Adds rows to the sequences.
   *
   * @param keys [N, H*K], the new rows of the first sequence, of the second, ...
   * @param values [N, H*K]
   * @param lengths positions of each sequence so far
   * @param added new positions of each sequence, of which there are N
   */
  void append(Tensor keys, Tensor values, int[] lengths, int[] added) {
    int needed = 0;
    for (int b = 0; b < added.length; b++) {
      needed += missing(b, lengths[b] - first[b], added[b]);
    }
    pool.reserve(needed);
    long from = 0;
    for (int b = 0; b < added.length; b++) {
      write(b, lengths[b], added[b], keys, values, from);
      from += added[b];
    }
  }

  /** Returns how many blocks a sequence lacks for more rows that are its own. */
  private int missing(int b, int used, int more) {
    return blocksOf(used + more) - counts[b] + (more > 0 && copies(b, used) ? 1 : 0);
  }

  /** Returns whether a new row goes to a block that others read, too. */
  private boolean copies(int b, int used) {
    return used % BLOCK != 0 && pool.isShared(blocks[b][used / BLOCK]);
  }

  /** Takes a copy of the block of the next row, which is reserved, if others read it, too. */
  private void separate(int b, int used) {
    if (copies(b, used)) {
      int shared = blocks[b][used / BLOCK];
      int own = pool.take();
      pool.copy(own, shared, used % BLOCK);
      pool.release(shared);
      blocks[b][used / BLOCK] = own;
    }
  }

  /** Takes blocks, which are reserved, for so many rows. */
  private void extend(int b, int end) {
    if (blocksOf(end) > blocks[b].length) {
      blocks[b] = Arrays.copyOf(blocks[b], Math.max(blocksOf(end), 2 * blocks[b].length));
    }
    while (counts[b] < blocksOf(end)) {
      blocks[b][counts[b]++] = pool.take();
    }
  }

  /** Writes rows to the end of a sequence, for which blocks are reserved. */
  private void write(int b, int position, int count, Tensor keys, Tensor values, long from) {
    int used = position - first[b];
    int end = used + count;
    if (count > 0) {
      separate(b, used);
    }
    extend(b, end);
    long source = from;
    while (used < end) {
      int run = Math.min(end - used, BLOCK - used % BLOCK);
      pool.write((long) blocks[b][used / BLOCK] * BLOCK + used % BLOCK, keys, values, source, run);
      used += run;
      source += run;
    }
  }

  /**
   * Takes blocks for positions to come, of this cache alone, so that rows can be written where they
   * will be without asking for any. {@link #truncate} gives back what was not used.
   *
   * @param lengths positions of each sequence so far
   * @param ahead how many more of each
   * @throws org.reformer4j.api.OutOfDeviceMemoryException if there is no room; nothing has changed
   */
  void claim(int[] lengths, int ahead) {
    int needed = 0;
    for (int b = 0; b < lengths.length; b++) {
      needed += missing(b, lengths[b] - first[b], ahead);
    }
    pool.reserve(needed);
    for (int b = 0; b < lengths.length; b++) {
      int used = lengths[b] - first[b];
      separate(b, used);
      extend(b, used + ahead);
    }
  }

  /** Forgets what lies behind the first positions of a sequence. */
  void truncate(int b, int length) {
    int kept = blocksOf(Math.max(0, length - first[b]));
    while (counts[b] > kept) {
      pool.release(blocks[b][--counts[b]]);
    }
  }

  /** Gives all blocks back. */
  void release() {
    for (int b = 0; b < counts.length; b++) {
      truncate(b, first[b]);
    }
  }

  /** Returns the row of a position that is kept. */
  int row(int b, int position) {
    int at = position - first[b];
    return blocks[b][at / BLOCK] * BLOCK + at % BLOCK;
  }

  /** Returns the first position that is kept of a sequence. */
  int first(int b) {
    return first[b];
  }

  /**
   * Returns keys or query-keys of the first positions of a sequence, side by side: [length, H*K].
   */
  Tensor leadingKeys(int b, int length, TensorScope scope, Backend backend) {
    Tensor keys = pool.keys();
    Tensor copy = scope.allocate(keys.type(), length, keys.columns());
    for (int from = 0; from < length; from += BLOCK) {
      int run = Math.min(BLOCK, length - from);
      backend.copy(copy.rows(from, run), keys.rows(row(b, from), run));
    }
    return copy;
  }

  /** Returns keys or query-keys, [rows, H*K]. */
  Tensor keys() {
    return pool.keys();
  }

  /** Returns values, [rows, H*K]. */
  Tensor values() {
    return pool.values();
  }
}
