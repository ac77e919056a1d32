package org.reformer4j.model.train;

import java.util.Map;
import java.util.stream.IntStream;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Task;

/** Measures loss and scores of a model on labelled examples. */
public final class ExampleEvaluator {
  private ExampleEvaluator() {}

  /**
   * Measures examples. The result does not depend on how many are computed at once, but for pairs,
   * which are compared with the others of their batch.
   *
   * @param model has a head for labels of this kind
   * @param examples what to measure, at least one
   * @param atOnce examples computed at once, at least 1
   * @param most examples to measure, spread evenly; 0 for all
   * @return the mean loss over all labels, their number as its bytes, and the scores of {@link
   *     EvaluationReport#scores}; its step is 0
   * @throws IllegalArgumentException if a number is out of range or an example does not fit
   */
  public static EvaluationReport evaluate(
      ReformerModel model, LabelledExamples examples, int atOnce, int most) {
    if (examples.size() == 0 || atOnce < 1 || most < 0) {
      throw new IllegalArgumentException(
          "evaluation needs at least one example, atOnce of at least 1 and most of at least 0, got "
              + examples.size()
              + ", "
              + atOnce
              + " and "
              + most);
    }
    long whole = examples.size();
    long measured = most == 0 ? whole : Math.min(most, whole);
    boolean pairs = examples.get(0).isPair();
    // Beside longer ones a sequence would be hashed into as many buckets as they need.
    int size = model.config().numBuckets().isEmpty() && !pairs ? 1 : atOnce;
    Scores scores = new Scores(model);
    double sum = 0;
    long labels = 0;
    for (long first = 0; first < measured; first += size) {
      long from = first;
      int[] indices =
          IntStream.range(0, (int) Math.min(size, measured - first))
              .map(i -> (int) ((from + i) * whole / measured))
              .toArray();
      Batch batch = examples.batch(model, indices);
      long count = model.targetCount(batch);
      if (model.task() == Task.LANGUAGE_MODEL) {
        // Without the logits of all tokens, which may be large.
        sum += count * model.loss(batch, CallOptions.EVALUATION);
      } else {
        Map<String, ModelOutput> outputs = model.outputs(batch, CallOptions.EVALUATION);
        sum += count * (double) outputs.get("loss").values()[0];
        for (int i = 0; i < indices.length; i++) {
          scores.add(examples.get(indices[i]), i, outputs);
        }
      }
      labels += count;
    }
    return new EvaluationReport(0, sum / labels, labels, scores.means());
  }
}
