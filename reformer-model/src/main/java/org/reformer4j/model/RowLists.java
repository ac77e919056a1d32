package org.reformer4j.model;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * What the new tokens of one layer attend to: the table [N, H, R, W] of cached rows that {@code
 * decodeAttention} reads. W is what the layer can list at most, not what it does list: where an
 * entry stands does not depend on who else is in the batch.
 */
final class RowLists {
  /** Stands where no row is listed. */
  static final int NONE = -1;

  private final CachedTexts texts;
  private final CachedRows rows;
  private final int heads;
  private final int rounds;
  private final int window;
  private final int[] table;

  /** Row of each new token itself. */
  private final int[] own;

  /** Makes lists of unspecified content: every new token gets a range or its sorted positions. */
  RowLists(CachedTexts texts, CachedRows rows, int heads, int rounds, int window) {
    this.texts = texts;
    this.rows = rows;
    this.heads = heads;
    this.rounds = rounds;
    this.window = window;
    this.own = new int[texts.addedTokens()];
    this.table = texts.table(Math.multiplyExact(own.length, heads * rounds * window));
    int row = 0;
    for (int b = 0; b < texts.batch(); b++) {
      for (int i = 0; i < texts.added(b); i++) {
        own[row++] = rows.row(b, texts.length(b) + i);
      }
    }
  }

  /** Makes the lists of a local layer: the chunks that each new token sees. */
  static RowLists local(ReformerConfig config, CachedTexts texts, CachedRows rows) {
    RowLists seen =
        new RowLists(texts, rows, config.numAttentionHeads(), 1, LocalSelfAttention.window(config));
    int row = 0;
    for (int b = 0; b < texts.batch(); b++) {
      for (int i = 0; i < texts.added(b); i++) {
        int position = texts.length(b) + i;
        seen.range(row++, b, LocalSelfAttention.windowStart(config, position), position + 1);
      }
    }
    return seen;
  }

  /** Lets all heads of a new token attend to a range of positions of its sequence, once. */
  void range(int row, int b, int from, int to) {
    int first = at(row, 0);
    for (int i = 0; i < to - from; i++) {
      table[first + i] = from + i;
    }
    replace(b, first, to - from);
    Arrays.fill(table, first + to - from, at(row + 1, 0), NONE);
    for (int head = 1; head < heads; head++) {
      System.arraycopy(table, first, table, at(row, head * rounds), to - from);
    }
  }

  /**
   * Lets a new token attend to positions in the order of a sort.
   *
   * @param segment head * R + round
   * @param rank rank of the first one
   * @param count how many
   */
  void sorted(int row, int b, int segment, BucketLists tokens, int rank, int count) {
    int first = at(row, segment);
    tokens.read(table, first, count, rank);
    replace(b, first, count);
    Arrays.fill(table, first + count, first + window, NONE);
  }

  /**
   * Lets a new token attend to positions of its bucket.
   *
   * @param segment head * R + round
   * @param chunk C
   * @param before chunks before the token's own one
   */
  void bucket(int row, int b, int segment, BucketLists tokens, int chunk, int before) {
    int first = at(row, segment);
    int count = tokens.readOwn(table, first, chunk, before);
    replace(b, first, count);
    Arrays.fill(table, first + count, first + window, NONE);
  }

  /** Leaves out what a head of a new token has listed in an earlier round. */
  void onceEach(int row, int head) {
    Set<Integer> listed = new HashSet<>();
    int first = at(row, head * rounds);
    for (int i = first; i < first + rounds * window; i++) {
      if (table[i] != NONE && !listed.add(table[i])) {
        table[i] = NONE;
      }
    }
  }

  private int at(int row, int segment) {
    return (row * heads * rounds + segment) * window;
  }

  /** Puts rows in the place of positions, and nothing in that of masked ones. */
  private void replace(int b, int first, int count) {
    for (int i = first; i < first + count; i++) {
      table[i] = texts.masked(b, table[i]) ? NONE : rows.row(b, table[i]);
    }
  }

  /** Returns the rows of the lists, valid until others are made. */
  int[] table() {
    return table;
  }

  /**
   * Attends.
   *
   * @param out [N, H*K], receives the result
   * @param queries [N, H*K]
   * @param shared whether the rows are query-keys, so that a token sees itself only where it sees
   *     nothing else
   * @param pass the pass
   */
  void attend(Tensor out, Tensor queries, boolean shared, Pass pass) {
    Backend backend = pass.backend();
    int headSize = (int) (queries.columns() / heads);
    DecodeSpec spec = new DecodeSpec(own.length, heads, headSize, rounds, window, shared);
    try (TensorScope scope = backend.scope("lists")) {
      Tensor listed = scope.allocate(DType.I32, own.length, heads, rounds, window);
      backend.upload(listed, table);
      Tensor ownRows = null;
      if (shared) {
        ownRows = scope.allocate(DType.I32, own.length);
        backend.upload(ownRows, own);
      }
      backend.decodeAttention(
          out, queries, rows.keys(), rows.values(), listed, ownRows, pass.headMask(), spec);
    }
  }
}
