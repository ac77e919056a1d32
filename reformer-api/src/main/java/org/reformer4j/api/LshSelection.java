package org.reformer4j.api;

/** Which tokens of a hash round share a chunk. */
public enum LshSelection {
  /**
   * The paper's and Hugging Face's: the tokens sorted by bucket are cut into chunks, whatever
   * buckets those span. A token's chunk counts all tokens of lower buckets, later ones included, so
   * later tokens decide which of the earlier ones a query sees, though never see them themselves.
   */
  SORTED {
    @Override
    public int usualChunksBefore() {
      return 1;
    }

    @Override
    public int usualBuckets(int chunks) {
      return 2 * Math.max(1, chunks);
    }
  },
  /**
   * Every bucket has chunks of its own: the rank among the tokens of its bucket, in the order of
   * the positions, decides a token's chunk, and chunks see only those of their bucket. In a causal
   * model no later token can change what an earlier one sees.
   */
  CAUSAL {
    @Override
    public int usualChunksBefore() {
      return 2;
    }

    @Override
    public int usualBuckets(int chunks) {
      return 2 * Math.max(1, chunks / 4);
    }
  };

  /** Returns how many chunks before its own a query usually sees. */
  public abstract int usualChunksBefore();

  /**
   * Returns a usual number of buckets, which is even: an average one holds half a chunk with {@link
   * #SORTED}, and with {@link #CAUSAL} two, so that the window holds it.
   *
   * @param chunks T/C of the longest sequence
   */
  public abstract int usualBuckets(int chunks);
}
