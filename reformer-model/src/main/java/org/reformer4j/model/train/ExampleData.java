package org.reformer4j.model.train;

import java.util.Optional;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.KeyedPermutation;

/** Labelled examples, each once per epoch, in an order drawn per epoch. */
final class ExampleData implements TrainingData {
  private final ReformerModel model;
  private final LabelledExamples train;
  private final LabelledExamples validation;
  private final TrainingOptions options;

  /**
   * Checks that model and examples fit together.
   *
   * @param model has a head for labels of this kind
   * @param train what to learn
   * @param validation held-out examples; none for no evaluation
   * @param options of the training; its context length is the most tokens of a sequence
   * @throws IllegalArgumentException if they do not
   */
  ExampleData(
      ReformerModel model,
      LabelledExamples train,
      LabelledExamples validation,
      TrainingOptions options) {
    if (train.size() == 0) {
      throw new IllegalArgumentException("there are no examples to learn from: give at least one");
    }
    TrainingData.check(model, options);
    train.check("training", model, options.batch().contextLength());
    validation.check("held-out", model, options.batch().contextLength());
    this.model = model;
    this.train = train;
    this.validation = validation;
    this.options = options;
  }

  @Override
  public Batch batch(long pass) {
    int[] indices = new int[options.batch().sequences()];
    for (int i = 0; i < indices.length; i++) {
      long number = pass * indices.length + i;
      Philox.Stream epoch =
          new Philox.Stream(options.seed(), number / train.size(), 0, RandomPurpose.DATA_ORDER);
      indices[i] = (int) new KeyedPermutation(epoch, train.size()).at(number % train.size());
    }
    return train.batch(model, indices);
  }

  @Override
  public Optional<EvaluationReport> evaluate(ReformerModel measured, long step) {
    if (validation.size() == 0) {
      return Optional.empty();
    }
    int most = options.intervals().evaluationWindows();
    return Optional.of(
        ExampleEvaluator.evaluate(measured, validation, options.batch().sequences(), most)
            .at(step));
  }

  @Override
  public long trainFingerprint() {
    return train.fingerprint();
  }

  @Override
  public long validationFingerprint() {
    return validation.fingerprint();
  }
}
