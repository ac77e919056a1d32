package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** What the new tokens of one layer attend to: lists of positions per sequence, head and round. */
final class RowLists {
  private static final int[] EMPTY = {};

  private final DecodeCache cache;
  private final CachedRows rows;
  private final int heads;
  private final int rounds;
  private final int[][] lists;

  /** Makes empty lists. */
  RowLists(DecodeCache cache, CachedRows rows, int heads, int rounds) {
    this.cache = cache;
    this.rows = rows;
    this.heads = heads;
    this.rounds = rounds;
    this.lists = new int[cache.batch() * heads * rounds][];
    Arrays.fill(lists, EMPTY);
  }

  /** Sets the positions of one list; masked ones are left out when the list is used. */
  void set(int b, int head, int round, int[] positions) {
    lists[(b * heads + head) * rounds + round] = positions;
  }

  /** Lets all heads of a sequence attend to a range of positions, once. */
  void setRange(int b, int from, int to) {
    int[] positions = new int[to - from];
    Arrays.setAll(positions, i -> from + i);
    for (int head = 0; head < heads; head++) {
      set(b, head, 0, positions);
    }
  }

  /**
   * Attends.
   *
   * @param queries [B, H*K]
   * @param shared whether the rows are query-keys, so that a token sees itself only where it sees
   *     nothing else
   * @param scope holds the result
   * @return [B, H*K]
   */
  Tensor attend(Tensor queries, boolean shared, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    int batch = cache.batch();
    int window = Arrays.stream(lists).mapToInt(list -> list.length).max().orElseThrow();
    int headSize = (int) (queries.columns() / heads);
    DecodeSpec spec = new DecodeSpec(batch, heads, headSize, rounds, window, shared);
    Tensor table = scope.allocate(DType.I32, batch, heads, rounds, window);
    backend.upload(table, table(window));
    Tensor own = null;
    if (shared) {
      own = scope.allocate(DType.I32, batch);
      int[] ownRows = new int[batch];
      Arrays.setAll(ownRows, b -> rows.row(b, cache.length(b)));
      backend.upload(own, ownRows);
    }
    Tensor out = scope.allocate(queries.type(), batch, queries.columns());
    backend.decodeAttention(
        out, queries, rows.keys(), rows.values(), table, own, pass.headMask(), spec);
    return out;
  }

  private int[] table(int window) {
    int[] table = new int[lists.length * window];
    Arrays.fill(table, -1);
    for (int i = 0; i < lists.length; i++) {
      int b = i / (heads * rounds);
      for (int j = 0; j < lists[i].length; j++) {
        if (!cache.masked(b, lists[i][j])) {
          table[i * window + j] = rows.row(b, lists[i][j]);
        }
      }
    }
    return table;
  }
}
