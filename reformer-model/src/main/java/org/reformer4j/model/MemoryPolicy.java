package org.reformer4j.model;

/**
 * What the layers of a training step keep from the forward pass, so that the backward pass need not
 * compute it again: memory against time. Each level keeps what the one before it keeps, and more.
 *
 * <p>What is kept is what was computed. On exact (FIXED) streams a recomputation gives the same
 * bits, so that every level gives the same gradients with {@code ==}. Float streams are rebuilt
 * with rounding errors, which what is kept does not have: there the levels differ as much as a
 * rebuilt stream from the original.
 */
public enum MemoryPolicy {
  /**
   * Keeps nothing that can be recomputed: memory does not depend on the number of layers. On float
   * streams LSH layers keep their order all the same, as a recomputation could decide otherwise.
   */
  RECOMPUTE,
  /** LSH layers keep the order of the tokens: no hashing and sorting in the backward pass. */
  KEEP_ORDER,
  /** Keeps the result of the feed-forward, too: without the second product of its recomputation. */
  KEEP_FEED_FORWARD,
  /** Keeps the results of attention, too: only queries, keys and values are computed again. */
  KEEP_ATTENTION,
  /**
   * The highest level that fits into a number of bytes, the last layers one level higher than the
   * first where that fits; RECOMPUTE where it is not known how much memory there is.
   */
  AUTO
}
