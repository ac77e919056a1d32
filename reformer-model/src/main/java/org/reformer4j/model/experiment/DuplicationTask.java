package org.reformer4j.model.experiment;

import java.util.Arrays;
import java.util.Objects;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.model.Batch;

/**
 * Endless sequences {@code 0 w 0 w} with random w, of which the second w can be predicted (Kitaev,
 * Kaiser, Levskaya 2020, section 5). Sequence number n is a function of the task and n alone.
 *
 * <p>Only the second w has targets. The 0 before it does not count, for its position alone gives it
 * away.
 *
 * @param length T, tokens of a sequence, even and at least 4; w has T/2 - 1
 * @param symbols how many different ones w is made of: 1 .. symbols, each as likely
 * @param seed of the sequences
 * @param split which of two independent streams of sequences
 */
public record DuplicationTask(int length, int symbols, long seed, Split split) {
  /** What sequences are for. */
  public enum Split {
    /** To learn from. */
    TRAINING,
    /** To measure on. */
    EVALUATION
  }

  /** Checks the ranges. */
  public DuplicationTask {
    Objects.requireNonNull(split, "split");
    if (length < 4 || length % 2 != 0) {
      throw new IllegalArgumentException(
          "the length of 0 w 0 w must be even and at least 4, got " + length);
    }
    if (symbols < 1 || symbols == Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "symbols must be in 1.." + (Integer.MAX_VALUE - 1) + ", got " + symbols);
    }
  }

  /** Returns V, the symbols and 0. */
  public int vocabularySize() {
    return symbols + 1;
  }

  /** Returns the tokens of a sequence that count: those of the second w. */
  public int counted() {
    return length / 2 - 1;
  }

  /**
   * Returns a sequence.
   *
   * @param number which one, from 0
   * @return [T] tokens
   */
  public int[] sequence(long number) {
    if (number < 0) {
      throw new IllegalArgumentException("number must not be negative, got " + number);
    }
    Philox.Stream stream =
        new Philox.Stream(seed, number, split.ordinal(), RandomPurpose.GENERATED_DATA);
    int half = length / 2;
    int[] ids = new int[length];
    for (int i = 1; i < half; i++) {
      ids[i] = 1 + (int) (stream.uniform(i) * symbols);
      ids[half + i] = ids[i];
    }
    return ids;
  }

  /**
   * Returns successive sequences, with the second w as targets: position t predicts token t + 1.
   *
   * @param first number of the first one, from 0
   * @param count B, how many
   */
  public Batch batch(long first, int count) {
    int[] ids = new int[Math.multiplyExact(count, length)];
    int[] targets = new int[ids.length];
    Arrays.fill(targets, Batch.IGNORE);
    for (int b = 0; b < count; b++) {
      System.arraycopy(sequence(first + b), 0, ids, b * length, length);
      int second = b * length + length / 2;
      System.arraycopy(ids, second + 1, targets, second, counted());
    }
    return Batch.of(ids, length).withTargets(targets);
  }
}
