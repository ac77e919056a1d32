package org.reformer4j.api;

/** Which tokens of a hash round share a chunk. */
public enum LshSelection {
  /**
   * The paper's and Hugging Face's: the tokens sorted by bucket are cut into chunks, whatever
   * buckets those span. A token's chunk counts all tokens of lower buckets, later ones included, so
   * later tokens decide which of the earlier ones a query sees, though never see them themselves.
   */
  SORTED,
  /**
   * Every bucket has chunks of its own: the rank among the tokens of its bucket, in the order of
   * the positions, decides a token's chunk, and chunks see only those of their bucket. In a causal
   * model no later token can change what an earlier one sees.
   */
  CAUSAL
}
