package org.reformer4j.tests;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.reformer4j.api.Backend;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.BatchShape;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.LearningRate;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;

/** Some steps of training on English text, from end to end: what they report and leave behind. */
final class ShortTraining {
  /** The beginning of Lewis Carroll's Alice's Adventures in Wonderland. */
  private static final String TEXT =
      "Alice was beginning to get very tired of sitting by her sister on the bank, and of having"
          + " nothing to do: once or twice she had peeped into the book her sister was reading, but"
          + " it had no pictures or conversations in it, \"and what is the use of a book,\" thought"
          + " Alice \"without pictures or conversations?\"\n\nSo she was considering in her own mind"
          + " (as well as she could, for the hot day made her feel very sleepy and stupid), whether"
          + " the pleasure of making a daisy-chain would be worth the trouble of getting up and"
          + " picking the daisies, when suddenly a White Rabbit with pink eyes ran close by"
          + " her.\n\nThere was nothing so very remarkable in that; nor did Alice think it so very"
          + " much out of the way to hear the Rabbit say to itself, \"Oh dear! Oh dear! I shall be"
          + " late!\" (when she thought it over afterwards, it occurred to her that she ought to"
          + " have wondered at this, but at the time it all seemed quite natural); but when the"
          + " Rabbit actually took a watch out of its waistcoat-pocket, and looked at it, and then"
          + " hurried on, Alice started to her feet.\n";

  static final Corpus CORPUS = Corpus.of(TEXT.getBytes(StandardCharsets.US_ASCII));

  private ShortTraining() {}

  /**
   * What a training did.
   *
   * @param losses of the steps
   * @param norms of the gradients
   * @param parameters at the end
   */
  record Run(List<Double> losses, List<Double> norms, List<float[]> parameters) {}

  /** Returns a causal byte model of layers in turn, its heads as wide as they say. */
  static ReformerConfigBuilder model(int hidden, int headSize, int chunk, AttentionKind... layers) {
    return ReformerConfig.builder()
        .isDecoder(true)
        .vocabSize(258)
        .hiddenSize(hidden)
        .feedForwardSize(2 * hidden)
        .numAttentionHeads(hidden / headSize)
        .attentionHeadSize(headSize)
        .attnLayers(layers)
        .localAttnChunkLength(chunk)
        .lshAttnChunkLength(chunk)
        .localNumChunksAfter(0)
        .lshNumChunksAfter(0)
        .numBuckets(8)
        .numHashes(2)
        .axialPosShape(16, 16)
        .axialPosEmbdsDim(hidden / 4, hidden - hidden / 4)
        .axialNormStd(0.02)
        .maxPositionEmbeddings(256)
        .hiddenDropoutProb(0.05)
        .localAttentionProbsDropoutProb(0.05)
        .lshAttentionProbsDropoutProb(0);
  }

  static TrainingOptions options(int sequences, int context, int steps) {
    return new TrainingOptions(
        11,
        new BatchShape(sequences, 1, context),
        OptimizerOptions.adamW(),
        new LearningRate(LearningRate.Schedule.COSINE, 4e-3, 4e-4, 4, steps),
        new Intervals(1, 0, 0, 0));
  }

  /** Trains a fresh model. */
  static Run run(Backend backend, ReformerConfig config, TrainingOptions options, Path output) {
    return run(backend, config, options, output, Long.MAX_VALUE);
  }

  /** Trains a fresh model, or goes on with what the folder holds; stops after a step. */
  static Run run(
      Backend backend,
      ReformerConfig config,
      TrainingOptions options,
      Path output,
      long stopAfter) {
    AtomicReference<Trainer> running = new AtomicReference<>();
    List<Double> losses = new ArrayList<>();
    List<Double> norms = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void step(StepReport report) {
            losses.add(report.loss());
            norms.add(report.gradientNorm());
            if (report.step() == stopAfter) {
              running.get().stopAfterCurrentStep();
            }
          }
        };
    try (ReformerModel model = ReformerModel.create(config, backend, options.precision(), 5);
        Trainer trainer =
            new Trainer(model, CORPUS, CORPUS.slice(0, 0), options, output, listener)) {
      running.set(trainer);
      trainer.resume();
      trainer.run();
      List<float[]> parameters = new ArrayList<>();
      for (Parameter parameter : model.parameters().all()) {
        parameters.add(backend.download(parameter.value()));
      }
      return new Run(losses, norms, parameters);
    }
  }
}
