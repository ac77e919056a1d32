package org.reformer4j.model;

import java.util.List;
import java.util.Locale;
import org.reformer4j.api.Tensor;

/**
 * What stands on the encoder: results, loss and gradient from the final streams. Built from
 * kernels; what concerns a few numbers per sequence is computed in double on the host, so that no
 * backend needs an operation for it.
 */
interface Head {
  /** Returns the first part of the names of its parameters, for messages. */
  String name();

  /**
   * Returns how many labels of a batch count, which its loss is the mean over; 0 if there are none.
   *
   * @throws IllegalArgumentException if the labels are of another kind than the head's, or out of
   *     range
   */
  long targetCount(Batch batch);

  /**
   * Returns the results for a batch, which needs no labels.
   *
   * @param streams [N, 2D], both streams side by side
   * @param batch what was embedded
   * @param pass the pass
   */
  List<ModelOutput> outputs(Tensor streams, Batch batch, Pass pass);

  /**
   * Returns the mean loss over the targets, without gradients.
   *
   * @param streams [N, 2D], both streams side by side
   * @param batch with at least one target
   * @param pass the pass
   */
  double loss(Tensor streams, Batch batch, Pass pass);

  /**
   * Returns the mean loss, overwrites dStreams with weight times its gradient, and adds weight
   * times the parameters'.
   *
   * @param dStreams [N, 2D]
   * @param streams [N, 2D]
   * @param batch with at least one target
   * @param weight factor on the gradients
   * @param pass the pass
   */
  double lossAndGradient(Tensor dStreams, Tensor streams, Batch batch, float weight, Pass pass);

  /** Returns the error that says what labels a head takes. */
  static IllegalArgumentException wrongLabels(Batch batch, String needed) {
    SequenceLabels labels = batch.labelsOrNull();
    String found =
        batch.targetsOrNull() != null
            ? "targets of tokens"
            : labels == null ? "none" : labels.getClass().getSimpleName().toLowerCase(Locale.ROOT);
    return new IllegalArgumentException("the head takes " + needed + ", the batch has " + found);
  }
}
