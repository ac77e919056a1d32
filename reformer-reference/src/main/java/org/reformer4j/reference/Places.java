package org.reformer4j.reference;

/**
 * The list of places of one head of one sequence, all rounds in a row, cut into chunks: which token
 * stands where, and which chunks see each other.
 */
final class Places {
  private static final int NONE = -1;

  /** Position per place, -1 for an empty one. */
  private final int[] positions;

  private final int perRound;
  private final int chunk;
  private final int before;
  private final int after;

  /** Run of each chunk; null where all chunks of all rounds form a ring. */
  private final int[] runs;

  /** Chunk within the round, by round and position; null where keys may be met again. */
  private final int[][] chunkOf;

  /**
   * Makes places whose chunks see only chunks of their run.
   *
   * @param positions token position per place, -1 for an empty place
   * @param perRound places of a round
   * @param chunk C
   * @param before chunks seen before the own one
   * @param after chunks seen after it
   * @param runs number of the run of every chunk of every round; null for a ring
   * @param chunkOf for each round the chunk, counted within the round, of each position; null where
   *     a key counts in every round
   */
  Places(
      int[] positions,
      int perRound,
      int chunk,
      int before,
      int after,
      int[] runs,
      int[][] chunkOf) {
    this.positions = positions;
    this.perRound = perRound;
    this.chunk = chunk;
    this.before = before;
    this.after = after;
    this.runs = runs;
    this.chunkOf = chunkOf;
  }

  /**
   * Returns places whose chunks form a ring over all rounds.
   *
   * @param positions token position per place, -1 for an empty place
   * @param perRound places of a round
   * @param chunk C
   * @param before chunks seen before the own one
   * @param after chunks seen after it
   */
  static Places ring(int[] positions, int perRound, int chunk, int before, int after) {
    return new Places(positions, perRound, chunk, before, after, null, null);
  }

  int chunkLength() {
    return chunk;
  }

  int chunks() {
    return positions.length / chunk;
  }

  /** Returns W / C, the chunks of a window. */
  int windowChunks() {
    return before + 1 + after;
  }

  int roundOf(int place) {
    return place / perRound;
  }

  /** Returns the position of the token at a place, -1 for none. */
  int position(int place) {
    return positions[place];
  }

  /** Returns the chunk at a place of the window of a chunk, -1 for none. */
  int inWindow(int c, int w) {
    int other = c - before + w;
    if (runs == null) {
      return Math.floorMod(other, chunks());
    }
    int perRoundChunks = perRound / chunk;
    int round = c / perRoundChunks;
    boolean sameRound = other >= round * perRoundChunks && other < (round + 1) * perRoundChunks;
    return sameRound && runs[other] == runs[c] ? other : NONE;
  }

  /** Returns whether a key counts only in the first round in which a query meets it. */
  boolean isDistinct() {
    return chunkOf != null;
  }

  /** Returns whether a query has met a key in a round before the one that it is in. */
  boolean isRepeated(int round, int query, int key) {
    for (int r = 0; r < round; r++) {
      int from = r * (perRound / chunk);
      int own = chunkOf[r][query];
      int other = chunkOf[r][key];
      if (other >= own - before && other <= own + after && runs[from + other] == runs[from + own]) {
        return true;
      }
    }
    return false;
  }
}
