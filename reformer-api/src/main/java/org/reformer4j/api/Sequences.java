package org.reformer4j.api;

import java.util.Arrays;

/**
 * How the B*T rows of a batch are divided into sequences.
 *
 * <p>Sequence b owns rows b*T .. b*T+length(b)-1; what lies behind them is padding that is neither
 * attended to nor written. Chunked attention sees {@link #slots} places for it, the length rounded
 * up as Hugging Face pads; places without a row are empty, so no padding is ever computed. A
 * sequence of a ragged batch therefore gives the same bits as alone.
 */
public final class Sequences {
  private final int batch;
  private final int stride;
  private final int[] lengths;
  private final int[] slots;

  private Sequences(int batch, int stride, int[] lengths, int[] slots) {
    this.batch = batch;
    this.stride = stride;
    this.lengths = lengths;
    this.slots = slots;
  }

  /**
   * Returns sequences of given lengths.
   *
   * @param stride T, rows from one sequence to the next
   * @param lengths real rows per sequence, each in 1..T
   * @param slots places per sequence in chunked attention, each at least its length
   */
  public static Sequences of(int stride, int[] lengths, int[] slots) {
    if (lengths.length == 0 || lengths.length != slots.length) {
      throw new IllegalArgumentException(
          "lengths and slots must have the same positive number of entries, got "
              + lengths.length
              + " and "
              + slots.length);
    }
    for (int b = 0; b < lengths.length; b++) {
      if (lengths[b] < 1 || lengths[b] > stride || slots[b] < lengths[b]) {
        throw new IllegalArgumentException(
            "sequence "
                + b
                + " must have a length in 1.."
                + stride
                + " and at least as many slots, got "
                + lengths[b]
                + " and "
                + slots[b]);
      }
    }
    return new Sequences(lengths.length, stride, lengths.clone(), slots.clone());
  }

  /**
   * Returns equal sequences without padding.
   *
   * @param batch B
   * @param length T
   */
  public static Sequences full(int batch, int length) {
    int[] lengths = new int[batch];
    Arrays.fill(lengths, length);
    return of(length, lengths, lengths);
  }

  /**
   * Returns the same sequences with other places.
   *
   * @param places of each, at least the largest length
   */
  public Sequences withSlots(int places) {
    int[] all = new int[batch];
    Arrays.fill(all, places);
    return of(stride, lengths, all);
  }

  /** Returns B. */
  public int batch() {
    return batch;
  }

  /** Returns T, the rows from one sequence to the next. */
  public int stride() {
    return stride;
  }

  /**
   * Returns the number of real rows of a sequence.
   *
   * @param b which sequence
   */
  public int length(int b) {
    return lengths[b];
  }

  /**
   * Returns the number of places that chunked attention sees.
   *
   * @param b which sequence
   */
  public int slots(int b) {
    return slots[b];
  }

  /** Returns N = B*T. */
  public long rows() {
    return (long) batch * stride;
  }

  @Override
  public String toString() {
    return "B=" + batch + ", T=" + stride + ", lengths=" + Arrays.toString(lengths);
  }
}
