package org.reformer4j.model.train;

import java.util.Optional;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ReformerModel;

/**
 * What a training learns from and is measured on, in an endless order that is a function of the
 * training's options alone. Implemented by whoever has other data than texts and examples; used by
 * the thread that trains.
 */
public interface TrainingData {
  /**
   * Returns the batch of a pass, with at least one label: the same in every call, so that an
   * interrupted training can go on with the same bits.
   *
   * @param pass number of the pass, from 0; every step has as many passes as the options accumulate
   */
  Batch batch(long pass);

  /**
   * Measures a model on what is held out.
   *
   * @param model the model
   * @param step number of the step, for the report
   * @return nothing if nothing is held out
   */
  Optional<EvaluationReport> evaluate(ReformerModel model, long step);

  /** Returns a number that differs for other data to learn from. */
  long trainFingerprint();

  /** Returns a number that differs for other held-out data; 0 if there are none. */
  long validationFingerprint();

  /**
   * Checks what every training needs.
   *
   * @param model what is trained
   * @param options of the training
   * @throws IllegalArgumentException if the context exceeds the positions, or precisions differ
   */
  static void check(ReformerModel model, TrainingOptions options) {
    int context = options.batch().contextLength();
    if (context > model.config().maxPositions()) {
      throw new IllegalArgumentException(
          "the context of "
              + context
              + " tokens exceeds the model's "
              + model.config().maxPositions()
              + " positions: shorten it or enlarge max_position_embeddings");
    }
    if (model.precision() != options.precision()) {
      throw new IllegalArgumentException(
          "the options ask for precision "
              + options.precision().label()
              + ", but the model computes in "
              + model.precision().label()
              + ": make the model with the precision of the options");
    }
  }
}
