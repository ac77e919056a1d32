package org.reformer4j.model.text;

import org.reformer4j.api.Philox;

/**
 * A pseudo-random permutation of 0..size-1 in constant memory: a balanced Feistel network over the
 * next power of four, walked until it lands inside (Black and Rogaway, "Ciphers with arbitrary
 * finite domains", 2002). Its round function is a {@link Philox} stream. Immutable.
 */
public final class KeyedPermutation {
  private static final int ROUNDS = 6;

  private final Philox.Stream stream;
  private final long size;
  private final int halfBits;
  private final long halfMask;

  /**
   * Makes the permutation.
   *
   * @param stream key; elements from 2^32 on are used
   * @param size how many numbers, from 1
   */
  public KeyedPermutation(Philox.Stream stream, long size) {
    if (size < 1) {
      throw new IllegalArgumentException("size must be at least 1, got " + size);
    }
    this.stream = stream;
    this.size = size;
    int bits = Long.SIZE - Long.numberOfLeadingZeros(size - 1);
    this.halfBits = Math.max(1, (bits + 1) / 2);
    this.halfMask = (1L << halfBits) - 1;
  }

  /**
   * Returns the number at a place.
   *
   * @param index the place, in 0..size-1
   */
  public long at(long index) {
    // The domain is at most four times the size, so that few walks are long.
    long value = index;
    do {
      value = scramble(value);
    } while (value >= size);
    return value;
  }

  private long scramble(long value) {
    long left = value >>> halfBits;
    long right = value & halfMask;
    for (int round = 1; round <= ROUNDS; round++) {
      long mixed = left ^ (stream.bits(((long) round << 32) | right) & halfMask);
      left = right;
      right = mixed;
    }
    return left << halfBits | right;
  }
}
