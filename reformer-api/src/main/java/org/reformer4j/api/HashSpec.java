package org.reformer4j.api;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * How LSH attention hashes, and which of the hashed tokens see each other.
 *
 * @param rounds R, independent hash rounds
 * @param factors sizes of the factors of the bucket number, each even; one entry for plain buckets
 * @param selection how chunks come from buckets
 * @param distinct whether a key that a query meets in several rounds counts once, in the first of
 *     them; otherwise once per round. Chunks then form no ring: a round's first chunk has none
 *     before it
 */
public record HashSpec(
    int rounds, List<Integer> factors, LshSelection selection, boolean distinct) {
  /** Checks the ranges. */
  public HashSpec {
    factors = List.copyOf(factors);
    Objects.requireNonNull(selection, "selection");
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
   * Makes the spec of Hugging Face's attention.
   *
   * @param rounds R
   * @param factors sizes of the factors
   */
  public HashSpec(int rounds, List<Integer> factors) {
    this(rounds, factors, LshSelection.SORTED, false);
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

  /** Returns whether attention reads a {@link RunLayout} instead of a plain order. */
  public boolean usesRuns() {
    return distinct || selection == LshSelection.CAUSAL;
  }

  /**
   * Returns the sequences with the places that attention by this spec sees: for {@link
   * LshSelection#CAUSAL} those of all runs, else those that they have.
   *
   * @param sequences lengths
   * @param chunkLength C
   */
  public Sequences places(Sequences sequences, int chunkLength) {
    return selection == LshSelection.CAUSAL
        ? sequences.withSlots(RunLayout.causalPlaces(sequences.stride(), buckets(), chunkLength))
        : sequences;
  }
}
