package org.reformer4j.model.experiment;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Rotations;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.TrainingData;

/** Sequences of the duplication task, new ones in every pass. */
final class DuplicationData implements TrainingData {
  /** Name of the share of right predictions. */
  static final String ACCURACY = "accuracy";

  private final DuplicationTask learnt;
  private final DuplicationTask measured;
  private final int batch;

  DuplicationData(DuplicationOptions options, long seed) {
    learnt = options.task(seed, DuplicationTask.Split.TRAINING);
    measured = options.task(seed, DuplicationTask.Split.EVALUATION);
    batch = options.batch();
  }

  @Override
  public Batch batch(long pass) {
    return learnt.batch(pass * batch, batch);
  }

  /** A glance on the way: one batch. */
  @Override
  public Optional<EvaluationReport> evaluate(ReformerModel model, long step) {
    EvaluationReport report = evaluate(model, measured, batch, batch);
    return Optional.of(new EvaluationReport(step, report.loss(), report.bytes(), report.scores()));
  }

  /**
   * Measures a model on the first sequences of a task, with other rotations in every batch, so that
   * the result does not hang on one draw.
   *
   * @param model a causal language model
   * @param task gives the sequences
   * @param sequences how many
   * @param atOnce sequences of a batch
   * @return loss, and the share of targets that got the largest logit as {@link #ACCURACY}
   */
  static EvaluationReport evaluate(
      ReformerModel model, DuplicationTask task, int sequences, int atOnce) {
    double loss = 0;
    long right = 0;
    for (int first = 0; first < sequences; first += atOnce) {
      int count = Math.min(atOnce, sequences - first);
      Batch batch = task.batch(first, count);
      // Another key than the training's, whose rotations these would be otherwise.
      CallOptions call =
          CallOptions.EVALUATION.withRotations(Rotations.counterBased(~task.seed(), first));
      Map<String, ModelOutput> outputs = model.outputs(batch, call);
      loss += (double) outputs.get("loss").values()[0] * count;
      right += right(task, first, count, outputs.get("logits").values());
    }
    long targets = (long) sequences * task.counted();
    TreeMap<String, Double> scores = new TreeMap<>(Map.of(ACCURACY, (double) right / targets));
    return new EvaluationReport(0, loss / sequences, targets, scores);
  }

  /** Returns how many symbols of second w's have the largest of the logits [N, V]. */
  private static long right(DuplicationTask task, int first, int count, float[] logits) {
    int vocabulary = task.vocabularySize();
    long right = 0;
    for (int b = 0; b < count; b++) {
      int[] ids = task.sequence(first + b);
      for (int t = task.length() / 2; t < task.length() - 1; t++) {
        int row = (b * task.length() + t) * vocabulary;
        int best = 0;
        for (int v = 1; v < vocabulary; v++) {
          best = logits[row + v] > logits[row + best] ? v : best;
        }
        right += best == ids[t + 1] ? 1 : 0;
      }
    }
    return right;
  }

  /** The options of the training know the seed; the rest of the task is in the config. */
  @Override
  public long trainFingerprint() {
    return learnt.symbols();
  }

  @Override
  public long validationFingerprint() {
    return measured.symbols();
  }
}
