package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.BatchShape;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.LearningRate;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;
import org.reformer4j.model.train.TrainingResult;

/** What training does from step to step. */
class TrainerTest {
  private static final Corpus NO_VALIDATION = TinyTraining.TRAIN.slice(0, 0);

  @TempDir Path folder;

  @Test
  void sameBitsForAnyNumberOfThreads() {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 4, new Intervals(1, 2, 0, 0));
    for (int threads = 1; threads <= 3; threads++) {
      Path output = folder.resolve("threads-" + threads);
      try (Backend backend = TinyTraining.backend(threads);
          ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
          Trainer trainer =
              new Trainer(
                  model,
                  TinyTraining.TRAIN,
                  TinyTraining.VALIDATION,
                  options,
                  output,
                  TrainingListener.NONE)) {
        trainer.run();
      }
      Path one = folder.resolve("threads-1");
      assertArrayEquals(
          TinyTraining.bytes(one, Trainer.STATE_FILE),
          TinyTraining.bytes(output, Trainer.STATE_FILE));
      assertEquals(TinyTraining.metrics(one), TinyTraining.metrics(output));
    }
  }

  @Test
  void lossFallsOnARepetitiveText() {
    for (OptimizerOptions optimizer :
        List.of(OptimizerOptions.adamW(), OptimizerOptions.adafactor())) {
      TrainingOptions options = TinyTraining.options(optimizer, 150, new Intervals(1, 0, 0, 0));
      Recorder recorder = new Recorder();
      Path output = folder.resolve(optimizer.kind().name());
      ReformerConfig config =
          TinyTraining.builder()
              .hiddenDropoutProb(0)
              .localAttentionProbsDropoutProb(0)
              .lshAttentionProbsDropoutProb(0)
              .build();
      try (Backend backend = TinyTraining.backend(2);
          ReformerModel model = ReformerModel.create(config, backend, 3);
          Trainer trainer =
              new Trainer(model, TinyTraining.TRAIN, NO_VALIDATION, options, output, recorder)) {
        TrainingResult result = trainer.run();
        double first = recorder.steps.get(0).loss();
        assertTrue(first > 5, "uniform over 258 ids is 5.55 nats, the first loss is " + first);
        assertTrue(result.loss() < 1.5, optimizer.kind() + " ends at " + result.loss());
        assertTrue(result.evaluation().isEmpty());
        assertFalse(result.stopped());
      }
    }
  }

  @Test
  void reportsComeWhenTheOptionsSay() {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 7, new Intervals(3, 2, 5, 1));
    Recorder recorder = new Recorder();
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
        Trainer trainer =
            new Trainer(
                model, TinyTraining.TRAIN, TinyTraining.VALIDATION, options, folder, recorder)) {
      long live = backend.liveBytes();
      TrainingResult result = trainer.run();
      assertEquals(live, backend.liveBytes());
      assertEquals(7, result.steps());
      assertEquals(List.of(3L, 6L, 7L), recorder.steps.stream().map(StepReport::step).toList());
      assertEquals(
          List.of(2L, 4L, 6L, 7L),
          recorder.evaluations.stream().map(EvaluationReport::step).toList());
      assertEquals(List.of(5L, 7L), recorder.saved);
      assertEquals(recorder.evaluations.get(3), result.evaluation().orElseThrow());
      StepReport last = recorder.steps.get(2);
      assertEquals(7, last.totalSteps());
      assertEquals(options.rate().at(7), (float) last.learningRate());
      assertEquals(0, last.secondsLeft());
      assertTrue(last.tokensPerSecond() > 0 && last.peakBytes() > live);
      assertEquals(last.loss() / Math.log(2), last.bitsPerByte());
      try (ReformerModel loaded = ReformerModel.load(folder, backend)) {
        for (Parameter parameter : loaded.parameters().all()) {
          assertArrayEquals(
              backend.download(model.parameters().find(parameter.name()).value()),
              backend.download(parameter.value()),
              parameter.name());
        }
      }
    }
  }

  @Test
  void clippingShortensTheGradientToTheNorm() {
    // Without moments an update is the rate times g / (|g| + epsilon); a large epsilon makes it
    // proportional to the gradient, and so shows how long that is.
    float epsilon = 1e4f;
    float rate = 100f;
    double norm = updateNorm(epsilon, rate, 0f) * epsilon / rate;
    double clipped = updateNorm(epsilon, rate, (float) (norm / 4)) * epsilon / rate;
    double loose = updateNorm(epsilon, rate, (float) (norm * 4)) * epsilon / rate;
    assertEquals(norm / 4, clipped, norm * 1e-3);
    assertEquals(norm, loose, norm * 1e-3);
  }

  private double updateNorm(float epsilon, float rate, float clip) {
    TrainingOptions options =
        new TrainingOptions(
            1,
            new BatchShape(2, 1, TinyTraining.CONTEXT),
            new OptimizerOptions(OptimizerOptions.Kind.ADAMW, 0f, 0f, epsilon, 0f, clip),
            new LearningRate(LearningRate.Schedule.CONSTANT, rate, 0, 0, 1),
            new Intervals(1, 0, 0, 0));
    Recorder recorder = new Recorder();
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
        Trainer trainer =
            new Trainer(
                model,
                TinyTraining.TRAIN,
                NO_VALIDATION,
                options,
                folder.resolve("clip-" + clip),
                recorder)) {
      List<float[]> before = values(model);
      trainer.run();
      List<float[]> after = values(model);
      double squares = 0;
      for (int p = 0; p < before.size(); p++) {
        for (int i = 0; i < before.get(p).length; i++) {
          double change = (double) after.get(p)[i] - before.get(p)[i];
          squares += change * change;
        }
      }
      // Reported is the norm before clipping.
      assertTrue(recorder.steps.get(0).gradientNorm() > 0);
      if (clip == 0) {
        assertEquals(
            recorder.steps.get(0).gradientNorm(),
            Math.sqrt(squares) * epsilon / rate,
            recorder.steps.get(0).gradientNorm() * 1e-3);
      }
      return Math.sqrt(squares);
    }
  }

  private static List<float[]> values(ReformerModel model) {
    List<float[]> values = new ArrayList<>();
    for (Parameter parameter : model.parameters().all()) {
      values.add(model.backend().download(parameter.value()));
    }
    return values;
  }

  @Test
  void unfitModelsAndOptionsAreRefused() {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 3, new Intervals(1, 0, 0, 0));
    refused(TinyTraining.builder().isDecoder(false).build(), TinyTraining.TRAIN, options, "causal");
    refused(TinyTraining.builder().vocabSize(100).build(), TinyTraining.TRAIN, options, "258");
    refused(
        TinyTraining.builder().axialPosShape(4, 4).maxPositionEmbeddings(16).build(),
        TinyTraining.TRAIN,
        options,
        "positions");
    refused(TinyTraining.config(), TinyTraining.TRAIN.slice(0, 32), options, "window");
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new TrainingOptions(
                1,
                options.batch(),
                options.optimizer(),
                LearningRate.constant(0.1),
                options.intervals()));
  }

  private void refused(ReformerConfig config, Corpus text, TrainingOptions options, String why) {
    try (Backend backend = TinyTraining.backend(1);
        ReformerModel model = ReformerModel.create(config, backend, 3)) {
      IllegalArgumentException refusal =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  new Trainer(model, text, NO_VALIDATION, options, folder, TrainingListener.NONE));
      assertTrue(refusal.getMessage().contains(why), refusal.getMessage());
    }
  }

  @Test
  void savedOptionsComeBack() {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adafactor(), 3, new Intervals(1, 0, 0, 3));
    assertTrue(Trainer.savedOptions(folder).isEmpty());
    TinyTraining.run(options, folder);
    assertEquals(options, Trainer.savedOptions(folder).orElseThrow());
  }

  @Test
  void damagedStateIsRefused() throws IOException {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 3, new Intervals(1, 0, 0, 0));
    TinyTraining.run(options, folder);
    byte[] state = TinyTraining.bytes(folder, Trainer.STATE_FILE);
    Path file = folder.resolve(Trainer.STATE_FILE);
    Files.write(file, Arrays.copyOf(state, state.length - 5));
    assertThrows(CheckpointException.class, () -> TinyTraining.run(options, folder));
    Files.copy(folder.resolve(ModelFolder.WEIGHTS), file, StandardCopyOption.REPLACE_EXISTING);
    assertThrows(CheckpointException.class, () -> TinyTraining.run(options, folder));
  }

  /** Keeps what it is told. */
  private static final class Recorder implements TrainingListener {
    private final List<StepReport> steps = new ArrayList<>();
    private final List<EvaluationReport> evaluations = new ArrayList<>();
    private final List<Long> saved = new ArrayList<>();

    @Override
    public void step(StepReport report) {
      steps.add(report);
    }

    @Override
    public void evaluated(EvaluationReport report) {
      evaluations.add(report);
    }

    @Override
    public void saved(long step, Path where) {
      saved.add(step);
    }
  }
}
