package org.reformer4j.model.experiment;

import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingResult;

/** Told what happens in a duplication experiment, on its thread. */
public interface DuplicationListener extends TrainingListener {
  /**
   * Called before a training.
   *
   * @param trained attention of the model
   * @param seed of its parameters, data and rotations
   */
  default void begins(AttentionSetting trained, long seed) {}

  /**
   * Called after a training, also one that was stopped.
   *
   * @param trained attention of the model
   * @param seed of its parameters, data and rotations
   * @param result how it ended
   */
  default void ends(AttentionSetting trained, long seed, TrainingResult result) {}

  /**
   * Called after a measurement.
   *
   * @param trained attention in training
   * @param evaluated attention in evaluation
   * @param seed of the training
   * @param accuracy share of the second w that was predicted
   */
  default void measured(
      AttentionSetting trained, AttentionSetting evaluated, long seed, double accuracy) {}
}
