package org.reformer4j.model;

import java.util.Arrays;

/**
 * Token sequences with what belongs to them; immutable.
 *
 * <p>Sequences of different lengths may share a batch: each gives the same bits as alone. An
 * attention mask, as in Hugging Face, is something else: masked tokens keep their place and are
 * computed, but nobody attends to them.
 */
public final class Batch {
  /** Target of a position that does not count. */
  public static final int IGNORE = -100;

  private final int[] lengths;
  private final int stride;
  private final int[] ids;
  private final int[] attentionMask;
  private final int[] positions;
  private final int[] targets;
  private final SequenceLabels labels;

  private Batch(
      int[] lengths,
      int stride,
      int[] ids,
      int[] attentionMask,
      int[] positions,
      int[] targets,
      SequenceLabels labels) {
    this.lengths = lengths;
    this.stride = stride;
    this.ids = ids;
    this.attentionMask = attentionMask;
    this.positions = positions;
    this.targets = targets;
    this.labels = labels;
  }

  /**
   * Returns a batch of sequences of any lengths.
   *
   * @param sequences token ids, each sequence with at least one
   */
  public static Batch of(int[]... sequences) {
    if (sequences.length == 0) {
      throw new IllegalArgumentException("a batch needs at least one sequence");
    }
    int[] lengths = new int[sequences.length];
    for (int b = 0; b < lengths.length; b++) {
      lengths[b] = sequences[b].length;
      if (lengths[b] == 0) {
        throw new IllegalArgumentException(
            "sequence " + b + " is empty: give it at least one token");
      }
    }
    int stride = Arrays.stream(lengths).max().orElseThrow();
    int[] ids = new int[Math.multiplyExact(lengths.length, stride)];
    for (int b = 0; b < lengths.length; b++) {
      System.arraycopy(sequences[b], 0, ids, b * stride, lengths[b]);
    }
    return new Batch(lengths, stride, ids, null, null, null, null);
  }

  /**
   * Returns a batch of equal lengths.
   *
   * @param ids [B, T], row-major
   * @param length T
   */
  public static Batch of(int[] ids, int length) {
    if (length < 1 || ids.length == 0 || ids.length % length != 0) {
      throw new IllegalArgumentException(
          "ids must have B*T elements with T = " + length + ", got " + ids.length);
    }
    int[] lengths = new int[ids.length / length];
    Arrays.fill(lengths, length);
    return new Batch(lengths, length, ids.clone(), null, null, null, null);
  }

  /**
   * Returns this batch with an attention mask of Hugging Face's kind.
   *
   * @param mask [B, T], 1 = real, 0 = masked
   */
  public Batch withAttentionMask(int[] mask) {
    check("attentionMask", mask);
    return new Batch(lengths, stride, ids, mask.clone(), positions, targets, labels);
  }

  /**
   * Returns this batch with explicit positions instead of 0, 1, 2, ...
   *
   * @param positions [B, T]
   */
  public Batch withPositions(int[] positions) {
    check("positions", positions);
    return new Batch(lengths, stride, ids, attentionMask, positions.clone(), targets, labels);
  }

  /**
   * Returns this batch with a target for every position, and no other labels.
   *
   * @param targets [B, T], what the position should predict, or {@link #IGNORE}
   */
  public Batch withTargets(int[] targets) {
    check("targets", targets);
    int[] clean = targets.clone();
    for (int b = 0; b < lengths.length; b++) {
      Arrays.fill(clean, b * stride + lengths[b], (b + 1) * stride, IGNORE);
    }
    return new Batch(lengths, stride, ids, attentionMask, positions, clean, null);
  }

  /**
   * Returns this batch with the labels of a causal language model as Hugging Face takes them:
   * position t predicts label t+1, the last position nothing.
   *
   * @param labels [B, T], usually the ids; {@link #IGNORE} does not count
   */
  public Batch withCausalLabels(int[] labels) {
    check("labels", labels);
    int[] shifted = new int[labels.length];
    for (int b = 0; b < lengths.length; b++) {
      int from = b * stride;
      Arrays.fill(shifted, from, from + stride, IGNORE);
      System.arraycopy(labels, from + 1, shifted, from, lengths[b] - 1);
    }
    return withTargets(shifted);
  }

  /**
   * Returns this batch with labels of whole sequences, and no targets.
   *
   * @param labels for each sequence
   */
  public Batch withLabels(SequenceLabels labels) {
    if (labels.size() != lengths.length) {
      throw new IllegalArgumentException(
          "the batch has " + lengths.length + " sequences, the labels are of " + labels.size());
    }
    return new Batch(lengths, stride, ids, attentionMask, positions, null, labels);
  }

  private void check(String name, int[] values) {
    if (values.length != ids.length) {
      throw new IllegalArgumentException(
          name
              + " must have shape [B, T] = ["
              + lengths.length
              + ", "
              + stride
              + "], got "
              + values.length
              + " elements");
    }
  }

  /** Returns B. */
  public int size() {
    return lengths.length;
  }

  /** Returns T, the length of the longest sequence. */
  public int length() {
    return stride;
  }

  /** Returns N = B*T. */
  public int rows() {
    return ids.length;
  }

  /** Returns the length of each sequence. */
  public int[] lengths() {
    return lengths.clone();
  }

  /** Returns the number of positions with a target. */
  public int targetCount() {
    return targets == null ? 0 : (int) Arrays.stream(targets).filter(t -> t != IGNORE).count();
  }

  /** Returns the number of real tokens. */
  public int tokenCount() {
    return Arrays.stream(lengths).sum();
  }

  int[] ids() {
    return ids;
  }

  int[] attentionMaskOrNull() {
    return attentionMask;
  }

  int[] targetsOrNull() {
    return targets;
  }

  SequenceLabels labelsOrNull() {
    return labels;
  }

  /** Returns the position of every row; rows behind a sequence take position 0. */
  int[] positionsOrDefault() {
    if (positions != null) {
      return positions;
    }
    int[] counted = new int[ids.length];
    for (int b = 0; b < lengths.length; b++) {
      for (int t = 0; t < lengths[b]; t++) {
        counted[b * stride + t] = t;
      }
    }
    return counted;
  }
}
