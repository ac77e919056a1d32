package org.reformer4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.reformer4j.model.train.Example;
import org.reformer4j.model.train.LabelledExamples;

/**
 * Examples of a training.
 *
 * @param learnt what it learns
 * @param heldOut what it is measured on; may be none
 */
record ExampleSplit(LabelledExamples learnt, LabelledExamples heldOut) {
  /**
   * Reads examples.
   *
   * @param reader for the model
   * @param file what to learn
   * @param test what to measure, or null
   * @param fraction share of the file to measure without such a file: the same ones every time,
   *     drawn at random, for files are often sorted by label
   */
  static ExampleSplit read(ExampleReader reader, Path file, Path test, double fraction) {
    List<Example> all = reader.read(file);
    List<Example> taken = new ArrayList<>();
    if (test != null) {
      taken.addAll(reader.read(test));
    } else {
      Collections.shuffle(all, new Random(0));
      List<Example> last = all.subList(all.size() - (int) (fraction * all.size()), all.size());
      taken.addAll(last);
      last.clear();
    }
    return new ExampleSplit(LabelledExamples.of(all), LabelledExamples.of(taken));
  }

  /** Returns the most tokens of a sequence. */
  int longest() {
    return Math.max(learnt.longest(), heldOut.longest());
  }
}
