package org.reformer4j.api;

import java.util.Arrays;
import java.util.List;

/**
 * How LSH attention hashes.
 *
 * @param rounds R, independent hash rounds
 * @param factors sizes of the factors of the bucket number, each even; one entry for plain buckets
 */
public record HashSpec(int rounds, List<Integer> factors) {
  /** Checks the ranges. */
  public HashSpec {
    factors = List.copyOf(factors);
    if (rounds < 1) {
      throw new IllegalArgumentException("rounds must be at least 1, got " + rounds);
    }
    if (factors.isEmpty() || factors.stream().anyMatch(f -> f < 2 || f % 2 != 0)) {
      throw new IllegalArgumentException(
          "every factor of num_buckets must be even and positive, got " + factors);
    }
    long product = factors.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
    if (product >= Integer.MAX_VALUE) {
      throw new IllegalArgumentException("num_buckets " + factors + " exceeds 2^31 - 2 buckets");
    }
  }

  /**
   * Returns the spec with these factors.
   *
   * @param rounds R
   * @param factors sizes of the factors
   */
  public static HashSpec of(int rounds, int... factors) {
    return new HashSpec(rounds, Arrays.stream(factors).boxed().toList());
  }

  /** Returns the number of buckets without the padding bucket, which has this number itself. */
  public int buckets() {
    return factors.stream().mapToInt(Integer::intValue).reduce(1, (a, b) -> a * b);
  }

  /** Returns the rotation columns of one round: half the sum of the factors. */
  public int rotationColumns() {
    return factors.stream().mapToInt(f -> f / 2).sum();
  }
}
