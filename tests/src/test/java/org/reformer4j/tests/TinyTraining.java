package org.reformer4j.tests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Backends;
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
import org.reformer4j.model.train.TrainingResult;

/** A training small enough to be run many times: two layers, both kinds of attention, dropout. */
final class TinyTraining {
  static final int CONTEXT = 32;
  static final Corpus TRAIN = corpus("the quick brown fox jumps over the lazy dog. ", 1500);
  static final Corpus VALIDATION = corpus("a lazy dog jumps over the quick fox. ", 150);

  private TinyTraining() {}

  static Corpus corpus(String sentence, int bytes) {
    String text = sentence.repeat(bytes / sentence.length() + 1).substring(0, bytes);
    return Corpus.of(text.getBytes(StandardCharsets.US_ASCII));
  }

  static ReformerConfig config() {
    return builder().build();
  }

  static ReformerConfigBuilder builder() {
    return ReformerConfig.builder()
        .isDecoder(true)
        .vocabSize(258)
        .hiddenSize(16)
        .feedForwardSize(32)
        .numAttentionHeads(2)
        .attentionHeadSize(8)
        .attnLayers(AttentionKind.LOCAL, AttentionKind.LSH)
        .localAttnChunkLength(8)
        .lshAttnChunkLength(8)
        .localNumChunksAfter(0)
        .lshNumChunksAfter(0)
        .numHashes(2)
        .axialPosShape(4, 16)
        .axialPosEmbdsDim(8, 8)
        .maxPositionEmbeddings(64)
        .hiddenDropoutProb(0.1)
        .localAttentionProbsDropoutProb(0.1)
        .lshAttentionProbsDropoutProb(0.1);
  }

  static TrainingOptions options(OptimizerOptions optimizer, long steps, Intervals intervals) {
    double peak = optimizer.kind() == OptimizerOptions.Kind.ADAMW ? 0.01 : 0.05;
    return new TrainingOptions(
        17,
        new BatchShape(2, 2, CONTEXT),
        optimizer,
        new LearningRate(LearningRate.Schedule.COSINE, peak, peak / 10, 2, steps),
        intervals);
  }

  static Backend backend(int threads) {
    return Backends.open("reference", BackendOptions.defaults().withThreads(threads)).backend();
  }

  static TrainingResult run(TrainingOptions options, Path output) {
    return run(options, output, Long.MAX_VALUE, TrainingListener.NONE);
  }

  /** Goes on with what the folder holds, if it holds something; asks to stop at a step. */
  static TrainingResult run(
      TrainingOptions options, Path output, long stopAt, TrainingListener listener) {
    AtomicReference<Trainer> running = new AtomicReference<>();
    TrainingListener stopper =
        new TrainingListener() {
          @Override
          public void step(StepReport report) {
            listener.step(report);
            if (report.step() == stopAt) {
              running.get().stopAfterCurrentStep();
            }
          }

          @Override
          public void saved(long step, Path folder) {
            listener.saved(step, folder);
          }
        };
    try (Backend backend = backend(2);
        ReformerModel model = ReformerModel.create(config(), backend, 3);
        Trainer trainer = new Trainer(model, TRAIN, VALIDATION, options, output, stopper)) {
      running.set(trainer);
      trainer.resume();
      return trainer.run();
    }
  }

  /** Returns the metrics without what a clock said. */
  static List<String> metrics(Path output) {
    try {
      List<String> lines = new ArrayList<>();
      for (String line : Files.readAllLines(output.resolve(Trainer.METRICS_FILE))) {
        lines.add(line.replaceAll(",\"(seconds|tokens_per_second)\":[^,}]*", ""));
      }
      return lines;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static byte[] bytes(Path output, String file) {
    try {
      return Files.readAllBytes(output.resolve(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
