package org.reformer4j.model.experiment;

import java.nio.file.Path;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Task;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingResult;

/**
 * Table 2 of the Reformer paper: models of one layer learn to duplicate with full attention or some
 * number of hash rounds, and each is measured with every one of these.
 *
 * <p>Every training has a folder of its own, from which it goes on after an interruption and from
 * which its model is loaded with the attention to measure.
 */
public final class DuplicationExperiment {
  private final DuplicationOptions options;
  private final Backend backend;
  private final Path folder;
  private final DuplicationListener listener;
  private volatile boolean stopping;
  private volatile Trainer current;

  /**
   * Prepares an experiment.
   *
   * @param options its size
   * @param backend where to compute; stays open
   * @param folder where the trainings go
   * @param listener told what happens
   */
  public DuplicationExperiment(
      DuplicationOptions options, Backend backend, Path folder, DuplicationListener listener) {
    this.options = options;
    this.backend = backend;
    this.folder = folder;
    this.listener = listener;
  }

  /** Lets {@link #run} save and return soon. May be called by any thread. */
  public void stop() {
    stopping = true;
    Trainer trainer = current;
    if (trainer != null) {
      trainer.stopAfterCurrentStep();
    }
  }

  /**
   * Trains and measures, a model after the other; all models of a seed before those of the next.
   *
   * @param seeds of the trainings, whose results are the spread of a cell
   * @param trained attention in training: the rows
   * @param evaluated attention in evaluation: the columns
   * @param resume whether to go on with the trainings that the folder holds
   * @param table receives every measurement
   * @return whether it was not stopped
   * @throws org.reformer4j.api.CheckpointException if the folder holds other trainings, or any
   *     without {@code resume}
   */
  public boolean run(
      List<Long> seeds,
      List<AttentionSetting> trained,
      List<AttentionSetting> evaluated,
      boolean resume,
      AccuracyTable table) {
    for (long seed : seeds) {
      for (AttentionSetting row : trained) {
        if (stopping || train(row, seed, resume).stopped()) {
          return false;
        }
        for (AttentionSetting column : evaluated) {
          if (stopping) {
            return false;
          }
          double accuracy = accuracy(row, column, seed);
          table.add(row, column, accuracy);
          listener.measured(row, column, seed, accuracy);
        }
      }
    }
    return true;
  }

  private TrainingResult train(AttentionSetting attention, long seed, boolean resume) {
    listener.begins(attention, seed);
    Path output = folder.resolve(attention.folder(seed));
    try (ReformerModel model = ReformerModel.create(options.config(attention), backend, seed);
        Trainer trainer =
            new Trainer(
                model,
                new DuplicationData(options, seed),
                options.training(seed),
                output,
                listener)) {
      if (resume) {
        trainer.resume();
      }
      current = trainer;
      if (stopping) {
        trainer.stopAfterCurrentStep();
      }
      TrainingResult result = trainer.run();
      listener.ends(attention, seed, result);
      return result;
    } finally {
      current = null;
    }
  }

  private double accuracy(AttentionSetting trained, AttentionSetting evaluated, long seed) {
    Path output = folder.resolve(trained.folder(seed));
    ReformerConfig config = options.config(evaluated);
    try (ReformerModel model =
        ReformerModel.loadForTask(
            output, config, Task.LANGUAGE_MODEL, backend, Precision.FLOAT32, seed)) {
      DuplicationTask task = options.task(seed, DuplicationTask.Split.EVALUATION);
      return DuplicationData.evaluate(model, task, options.evaluationSequences(), options.batch())
          .scores()
          .get(DuplicationData.ACCURACY);
    }
  }
}
