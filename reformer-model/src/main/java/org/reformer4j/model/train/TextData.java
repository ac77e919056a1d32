package org.reformer4j.model.train;

import java.util.Optional;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.text.Windows;

/** A text, of whose windows every byte is to be predicted from those before it. */
final class TextData implements TrainingData {
  private final Corpus train;
  private final Corpus validation;
  private final TrainingOptions options;
  private final Windows windows;

  /**
   * Checks that model, texts and context fit together.
   *
   * @param model a causal language model with the byte vocabulary
   * @param train the text to learn
   * @param validation held-out text; an empty one for no evaluation
   * @param options of the training
   * @throws IllegalArgumentException if they do not
   */
  TextData(ReformerModel model, Corpus train, Corpus validation, TrainingOptions options) {
    check(model, validation);
    TrainingData.check(model, options);
    this.train = train;
    this.validation = validation;
    this.options = options;
    this.windows = new Windows(train, options.batch().contextLength() + 1, options.seed());
  }

  private static void check(ReformerModel model, Corpus validation) {
    ReformerConfig config = model.config();
    if (!model.hasLmHead() || !config.isDecoder()) {
      throw new IllegalArgumentException(
          "training on text needs a causal language model: a head, and is_decoder true in the"
              + " config");
    }
    if (config.vocabSize() < ByteTokenizer.VOCABULARY_SIZE) {
      throw new IllegalArgumentException(
          "vocab_size must be at least the "
              + ByteTokenizer.VOCABULARY_SIZE
              + " ids of bytes, got "
              + config.vocabSize());
    }
    if (validation.length() == 1) {
      throw new IllegalArgumentException(
          "the held-out text has one byte and nothing to predict: use more, or an empty one");
    }
  }

  @Override
  public Batch batch(long pass) {
    int sequences = options.batch().sequences();
    int context = options.batch().contextLength();
    int[] ids = new int[Math.multiplyExact(sequences, context)];
    int[] targets = new int[ids.length];
    int[] window = new int[context + 1];
    for (int i = 0; i < sequences; i++) {
      windows.copy(pass * sequences + i, window, 0);
      System.arraycopy(window, 0, ids, i * context, context);
      System.arraycopy(window, 1, targets, i * context, context);
    }
    return Batch.of(ids, context).withTargets(targets);
  }

  @Override
  public Optional<EvaluationReport> evaluate(ReformerModel model, long step) {
    if (validation.length() == 0) {
      return Optional.empty();
    }
    EvaluationReport measured =
        Evaluator.evaluate(
            model,
            validation,
            options.batch().contextLength(),
            options.intervals().evaluationWindows());
    return Optional.of(measured.at(step));
  }

  @Override
  public long trainFingerprint() {
    return train.fingerprint();
  }

  @Override
  public long validationFingerprint() {
    return validation.length() == 0 ? 0 : validation.fingerprint();
  }
}
