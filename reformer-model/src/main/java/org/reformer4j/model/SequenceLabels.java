package org.reformer4j.model;

import java.util.stream.IntStream;

/**
 * What is known about each sequence of a batch as a whole. What its tokens should predict is {@link
 * Batch#withTargets}. The arrays are copied.
 */
public sealed interface SequenceLabels {
  /** Returns B, the number of sequences. */
  int size();

  /**
   * A class for each sequence; for sentence embeddings its group, whose members should be close to
   * each other.
   *
   * @param ids [B], from 0, or {@link Batch#IGNORE}
   */
  static SequenceLabels classes(int... ids) {
    return new Classes(ids.clone());
  }

  /**
   * Numbers for each sequence: regression targets, or 0 and 1 for the classes that it does not and
   * does belong to.
   *
   * @param columns L, numbers per sequence
   * @param values [B, L], row-major
   */
  static SequenceLabels values(int columns, float... values) {
    return new Values(columns, values.clone());
  }

  /**
   * First and last token of an answer. As in Hugging Face, a negative position counts as 0, and one
   * behind the sequence does not count.
   *
   * @param starts [B]
   * @param ends [B]
   */
  static SequenceLabels spans(int[] starts, int[] ends) {
    return new Spans(starts.clone(), ends.clone());
  }

  /** See {@link #classes}. */
  record Classes(int[] ids) implements SequenceLabels {
    @Override
    public int size() {
      return ids.length;
    }
  }

  /** See {@link #values}. */
  record Values(int columns, float[] values) implements SequenceLabels {
    /** Checks that there are whole rows. */
    public Values {
      if (columns < 1 || values.length % columns != 0) {
        throw new IllegalArgumentException(
            "values must have B*L elements with L = " + columns + " >= 1, got " + values.length);
      }
    }

    @Override
    public int size() {
      return values.length / columns;
    }
  }

  /** See {@link #spans}. */
  record Spans(int[] starts, int[] ends) implements SequenceLabels {
    /** Checks that every start has an end. */
    public Spans {
      if (starts.length != ends.length) {
        throw new IllegalArgumentException(
            "starts and ends must have the same length [B], got "
                + starts.length
                + " and "
                + ends.length);
      }
    }

    @Override
    public int size() {
      return starts.length;
    }

    /** Returns the position that counts for a sequence, or its length if none does. */
    static int clamp(int position, int length) {
      return Math.max(0, Math.min(position, length));
    }

    /** Returns how many sequences have a position that counts. */
    static long count(int[] positions, int[] lengths) {
      return IntStream.range(0, positions.length)
          .filter(b -> clamp(positions[b], lengths[b]) < lengths[b])
          .count();
    }
  }
}
