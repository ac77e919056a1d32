package org.reformer4j.tests;

import java.nio.file.Path;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;

/** A training in a process of its own, to be killed; says each checkpoint on a line. */
final class TrainingMain {
  static final TrainingOptions OPTIONS =
      TinyTraining.options(OptimizerOptions.adamW(), 80, new Intervals(1, 10, 1, 2));

  private TrainingMain() {}

  public static void main(String[] arguments) {
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void saved(long step, Path folder) {
            System.out.println(step);
          }
        };
    TinyTraining.run(OPTIONS, Path.of(arguments[0]), Long.MAX_VALUE, listener);
  }
}
