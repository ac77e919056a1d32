package org.reformer4j.kernels;

/**
 * What integers lie in a block, as far as it matters for indices: where all are known to be good,
 * nobody has to ask the device.
 *
 * @param greatest the greatest one that is not negative, -1 if there is none
 * @param lowest the lowest one, at most 0
 * @param negative the greatest negative one, 0 if there is none
 */
record IntegerRange(int greatest, int lowest, int negative) {
  static IntegerRange of(int[] values) {
    int greatest = -1;
    int lowest = 0;
    int negative = Integer.MIN_VALUE;
    for (int value : values) {
      greatest = Math.max(greatest, value);
      lowest = Math.min(lowest, value);
      negative = value < 0 ? Math.max(negative, value) : negative;
    }
    return new IntegerRange(Math.max(-1, greatest), lowest, lowest == 0 ? 0 : negative);
  }

  /** Returns whether all are in 0..limit-1. */
  boolean within(long limit) {
    return lowest == 0 && greatest < limit;
  }

  /** Returns whether all are in 0..limit-1 or the ignored number. */
  boolean within(long limit, int ignored) {
    return greatest < limit && (lowest == 0 || lowest == negative && negative == ignored);
  }
}
