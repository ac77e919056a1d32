package org.reformer4j.model.train;

import java.util.Arrays;
import java.util.Objects;
import org.reformer4j.model.Batch;
import org.reformer4j.model.SequenceLabels;

/** Token ids with what a model should make of them; immutable. */
public final class Example {
  private final int[][] sequences;
  private final int[] targets;
  private final SequenceLabels labels;

  private Example(int[] targets, SequenceLabels labels, int[]... sequences) {
    this.sequences = sequences;
    this.targets = targets;
    this.labels = labels;
    for (int[] ids : sequences) {
      if (ids.length == 0) {
        throw new IllegalArgumentException("an example needs at least one token");
      }
    }
  }

  /**
   * A label for every token: its class, or for a language model the token that belongs there. In
   * causal models the position before predicts it, as in Hugging Face.
   *
   * @param ids [T]
   * @param targets [T], or {@link Batch#IGNORE} where none counts
   */
  public static Example ofTokens(int[] ids, int[] targets) {
    if (ids.length != targets.length) {
      throw new IllegalArgumentException(
          "an example needs a target for each of its "
              + ids.length
              + " tokens, got "
              + targets.length);
    }
    return new Example(targets.clone(), null, ids.clone());
  }

  /**
   * A class for the sequence.
   *
   * @param ids [T]
   * @param label the class, from 0
   */
  public static Example ofClass(int[] ids, int label) {
    return new Example(null, SequenceLabels.classes(label), ids.clone());
  }

  /**
   * Numbers for the sequence: regression targets, or 0 and 1 for the classes that it does not and
   * does belong to.
   *
   * @param ids [T]
   * @param values [L]
   */
  public static Example ofValues(int[] ids, float... values) {
    return new Example(null, SequenceLabels.values(values.length, values), ids.clone());
  }

  /**
   * Where the answer to a question stands.
   *
   * @param ids [T], question and text
   * @param start position of its first token
   * @param end position of its last token
   */
  public static Example ofAnswer(int[] ids, int start, int end) {
    return new Example(null, SequenceLabels.spans(new int[] {start}, new int[] {end}), ids.clone());
  }

  /**
   * Two sequences whose embeddings should be close; those of the other pairs of a batch are what
   * they should be far from.
   *
   * @param ids one
   * @param other the other
   */
  public static Example ofPair(int[] ids, int[] other) {
    return new Example(null, null, ids.clone(), other.clone());
  }

  /** Returns the sequences: one, or those of a pair. */
  int[][] sequences() {
    return sequences;
  }

  /** Returns the targets of the tokens, or null. */
  int[] targets() {
    return targets;
  }

  /** Returns the label of the one sequence, or null. */
  SequenceLabels labels() {
    return labels;
  }

  boolean isPair() {
    return sequences.length == 2;
  }

  /** Returns whether examples can share a batch. */
  boolean fits(Example other) {
    if (isPair() != other.isPair() || (targets == null) != (other.targets == null)) {
      return false;
    }
    if (labels instanceof SequenceLabels.Values a
        && other.labels instanceof SequenceLabels.Values b) {
      return a.columns() == b.columns();
    }
    return (labels == null ? null : labels.getClass())
        == (other.labels == null ? null : other.labels.getClass());
  }

  /** Returns a hash of everything, the same in every Java. */
  long fingerprint() {
    long hash = Arrays.deepHashCode(sequences);
    hash = hash * 0x9E3779B97F4A7C15L + Arrays.hashCode(targets);
    if (labels instanceof SequenceLabels.Classes of) {
      hash = hash * 31 + Arrays.hashCode(of.ids());
    } else if (labels instanceof SequenceLabels.Values of) {
      hash = hash * 37 + Arrays.hashCode(of.values());
    } else if (labels instanceof SequenceLabels.Spans of) {
      hash = hash * 41 + Objects.hash(of.starts()[0], of.ends()[0]);
    }
    return hash;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("ids ").append(Arrays.deepToString(sequences));
    if (targets != null) {
      text.append(", targets ").append(Arrays.toString(targets));
    } else if (labels instanceof SequenceLabels.Classes of) {
      text.append(", class ").append(of.ids()[0]);
    } else if (labels instanceof SequenceLabels.Values of) {
      text.append(", values ").append(Arrays.toString(of.values()));
    } else if (labels instanceof SequenceLabels.Spans of) {
      text.append(", answer ").append(of.starts()[0]).append("..").append(of.ends()[0]);
    }
    return text.toString();
  }
}
