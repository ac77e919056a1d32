package org.reformer4j.model.train;

import java.nio.file.Path;

/** Told what happens in a training, on its thread. */
public interface TrainingListener {
  /** Listens to nothing. */
  TrainingListener NONE = new TrainingListener() {};

  /**
   * Called every few steps, as the options say, and after the last one.
   *
   * @param report state of the training
   */
  default void step(StepReport report) {}

  /**
   * Called after an evaluation.
   *
   * @param report the result
   */
  default void evaluated(EvaluationReport report) {}

  /**
   * Called after a checkpoint.
   *
   * @param step step that was saved
   * @param folder where
   */
  default void saved(long step, Path folder) {}
}
