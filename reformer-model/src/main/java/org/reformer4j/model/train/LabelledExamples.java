package org.reformer4j.model.train;

import java.util.Arrays;
import java.util.List;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.SequenceLabels;
import org.reformer4j.model.Task;

/** Examples of one kind, of any lengths; immutable. */
public final class LabelledExamples {
  private final List<Example> examples;

  private LabelledExamples(List<Example> examples) {
    this.examples = examples;
  }

  /**
   * Returns examples as a whole.
   *
   * @param examples all with labels of the same kind; none, for no evaluation
   * @throws IllegalArgumentException if two kinds of labels are mixed
   */
  public static LabelledExamples of(List<Example> examples) {
    List<Example> copy = List.copyOf(examples);
    for (int i = 1; i < copy.size(); i++) {
      if (!copy.get(i).fits(copy.get(0))) {
        throw new IllegalArgumentException(
            "example " + i + " has labels of another kind than example 0: separate them");
      }
    }
    return new LabelledExamples(copy);
  }

  /** Returns the number of examples. */
  public int size() {
    return examples.size();
  }

  /** Returns the most tokens that a sequence has; 0 if there are no examples. */
  public int longest() {
    return examples.stream()
        .flatMap(example -> Arrays.stream(example.sequences()))
        .mapToInt(ids -> ids.length)
        .max()
        .orElse(0);
  }

  Example get(int index) {
    return examples.get(index);
  }

  /**
   * Returns a batch of some examples, ragged: none is padded.
   *
   * @param model decides what targets of tokens mean
   * @param indices which, at least one
   */
  Batch batch(ReformerModel model, int... indices) {
    boolean pairs = examples.get(indices[0]).isPair();
    int per = pairs ? 2 : 1;
    int[][] sequences = new int[indices.length * per][];
    for (int i = 0; i < indices.length; i++) {
      int[][] own = examples.get(indices[i]).sequences();
      System.arraycopy(own, 0, sequences, i * per, per);
    }
    Batch batch = Batch.of(sequences);
    if (pairs) {
      int[] groups = new int[sequences.length];
      for (int i = 0; i < groups.length; i++) {
        groups[i] = i / 2;
      }
      return batch.withLabels(SequenceLabels.classes(groups));
    }
    if (examples.get(indices[0]).targets() == null) {
      return batch.withLabels(labels(indices));
    }
    int[] targets = new int[batch.rows()];
    for (int i = 0; i < indices.length; i++) {
      int[] own = examples.get(indices[i]).targets();
      System.arraycopy(own, 0, targets, i * batch.length(), own.length);
    }
    return model.task() == Task.LANGUAGE_MODEL && model.config().isDecoder()
        ? batch.withCausalLabels(targets)
        : batch.withTargets(targets);
  }

  private SequenceLabels labels(int[] indices) {
    int n = indices.length;
    SequenceLabels first = examples.get(indices[0]).labels();
    if (first instanceof SequenceLabels.Values one) {
      float[] values = new float[n * one.columns()];
      for (int i = 0; i < n; i++) {
        SequenceLabels.Values own = (SequenceLabels.Values) examples.get(indices[i]).labels();
        System.arraycopy(own.values(), 0, values, i * one.columns(), one.columns());
      }
      return SequenceLabels.values(one.columns(), values);
    }
    int[] a = new int[n];
    int[] b = new int[n];
    for (int i = 0; i < n; i++) {
      SequenceLabels own = examples.get(indices[i]).labels();
      if (own instanceof SequenceLabels.Classes of) {
        a[i] = of.ids()[0];
      } else if (own instanceof SequenceLabels.Spans of) {
        a[i] = of.starts()[0];
        b[i] = of.ends()[0];
      }
    }
    return first instanceof SequenceLabels.Classes
        ? SequenceLabels.classes(a)
        : SequenceLabels.spans(a, b);
  }

  /**
   * Checks every example, so that none stops a training midway.
   *
   * @param what name of these examples in messages
   * @param model takes labels of its head's kind, in its range
   * @param longest most tokens of a sequence
   * @throws IllegalArgumentException if one does not fit; the message names it
   */
  void check(String what, ReformerModel model, int longest) {
    int vocabulary = model.config().vocabSize();
    for (int i = 0; i < size(); i++) {
      String problem = null;
      for (int[] ids : examples.get(i).sequences()) {
        if (ids.length > longest) {
          problem =
              "has "
                  + ids.length
                  + " tokens, more than the context of "
                  + longest
                  + ": cut it, or enlarge the context";
        }
        for (int id : ids) {
          if (id < 0 || id >= vocabulary) {
            problem = "has the token id " + id + " outside the vocabulary 0.." + (vocabulary - 1);
          }
        }
      }
      if (examples.get(i).isPair() != (model.task() == Task.SENTENCE_EMBEDDING)) {
        problem = "does not fit the model: sentence embeddings learn from pairs, and only they do";
      }
      try {
        if (problem == null && model.targetCount(batch(model, i)) == 0) {
          problem = "has no label that counts: give it one, or leave it out";
        }
      } catch (IllegalArgumentException e) {
        problem = "does not fit the model: " + e.getMessage();
      }
      if (problem != null) {
        throw new IllegalArgumentException(what + " example " + i + " " + problem);
      }
    }
  }

  /** Returns a number that differs for other examples; 0 if there are none. */
  long fingerprint() {
    long hash = size();
    for (Example example : examples) {
      hash = (hash ^ example.fingerprint()) * 0xBF58476D1CE4E5B9L;
      hash ^= hash >>> 29;
    }
    return hash;
  }
}
