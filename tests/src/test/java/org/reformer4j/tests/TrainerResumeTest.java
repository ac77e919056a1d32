package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.checkpoint.SafeTensorsWriter;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;
import org.reformer4j.model.train.TrainingResult;

/** An interrupted training ends with the same bits as an uninterrupted one. */
class TrainerResumeTest {
  private static final long STEPS = 10;

  /** Logs every step so that a run can be stopped after any of them. */
  private static final Intervals INTERVALS = new Intervals(1, 4, 5, 2);

  @TempDir Path folder;

  private static OptimizerOptions optimizer(OptimizerOptions.Kind kind) {
    return kind == OptimizerOptions.Kind.ADAMW
        ? OptimizerOptions.adamW()
        : OptimizerOptions.adafactor();
  }

  private static void assertSameTraining(Path expected, Path actual) {
    for (String file : List.of(ModelFolder.WEIGHTS, ModelFolder.CONFIG, Trainer.STATE_FILE)) {
      assertArrayEquals(TinyTraining.bytes(expected, file), TinyTraining.bytes(actual, file), file);
    }
    assertEquals(TinyTraining.metrics(expected), TinyTraining.metrics(actual));
  }

  @ParameterizedTest
  @EnumSource(OptimizerOptions.Kind.class)
  void stoppedAtAnyStepItEndsWithTheSameBits(OptimizerOptions.Kind kind) {
    TrainingOptions options = TinyTraining.options(optimizer(kind), STEPS, INTERVALS);
    Path whole = folder.resolve("whole");
    TrainingResult expected = TinyTraining.run(options, whole);
    for (long stop : new long[] {1, 4, 7, 9}) {
      Path parts = folder.resolve("stopped-" + stop);
      TrainingResult first = TinyTraining.run(options, parts, stop, TrainingListener.NONE);
      assertTrue(first.stopped());
      assertEquals(stop, first.steps());
      TrainingResult second = TinyTraining.run(options, parts);
      assertFalse(second.stopped());
      assertEquals(expected.loss(), second.loss());
      assertEquals(expected.evaluation(), second.evaluation());
      assertSameTraining(whole, parts);
    }
  }

  @Test
  void theMemoryPolicyBelongsToTheTraining() {
    TrainingOptions recompute = TinyTraining.options(OptimizerOptions.adamW(), STEPS, INTERVALS);
    TrainingOptions keep = recompute.withMemory(MemoryPolicy.KEEP_ATTENTION);
    Path whole = folder.resolve("whole");
    TinyTraining.run(keep, whole);
    Path parts = folder.resolve("parts");
    TinyTraining.run(keep, parts, 4, TrainingListener.NONE);
    assertEquals(keep, Trainer.savedOptions(parts).orElseThrow());
    CheckpointException other =
        assertThrows(CheckpointException.class, () -> TinyTraining.run(recompute, parts));
    assertTrue(other.getMessage().contains("memory"), other.getMessage());
    TinyTraining.run(keep, parts);
    assertSameTraining(whole, parts);
    // The default leaves no trace, as in states from before there was a choice.
    Path plain = folder.resolve("plain");
    TinyTraining.run(recompute, plain, 2, TrainingListener.NONE);
    String state = SafeTensors.open(plain.resolve(Trainer.STATE_FILE)).metadata().get("training");
    assertFalse(state.contains("memory"), state);
    assertEquals(recompute, Trainer.savedOptions(plain).orElseThrow());
  }

  @Test
  void failedBetweenCheckpointsItRepeatsTheLostSteps() {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), STEPS, new Intervals(2, 3, 3, 0));
    Path whole = folder.resolve("whole");
    TinyTraining.run(options, whole);
    Path parts = folder.resolve("parts");
    TrainingListener failing =
        new TrainingListener() {
          @Override
          public void step(StepReport report) {
            if (report.step() == 8) {
              throw new IllegalStateException("planted");
            }
          }
        };
    assertThrows(
        IllegalStateException.class,
        () -> TinyTraining.run(options, parts, Long.MAX_VALUE, failing));
    assertTrue(String.join("", TinyTraining.metrics(parts)).contains("\"step\":8"));
    TinyTraining.run(options, parts);
    assertSameTraining(whole, parts);
  }

  @Test
  void stoppingBetweenReportsLeavesNoTraceInTheMetrics() throws IOException {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 6, new Intervals(4, 3, 0, 0));
    Path whole = folder.resolve("whole");
    TinyTraining.run(options, whole);
    Path parts = folder.resolve("parts");
    StoppingBackend stop = new StoppingBackend();
    try (Backend backend = stop.around(TinyTraining.backend(2));
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
        Trainer trainer = trainer(model, TinyTraining.TRAIN, options, parts)) {
      stop.trainer = trainer;
      assertEquals(3, trainer.run().steps());
    }
    // Only the evaluation of step 3 was due.
    assertEquals(1, TinyTraining.metrics(parts).size());
    // A crash may cut a line; the next run drops it.
    Files.writeString(
        parts.resolve(Trainer.METRICS_FILE),
        "{\"step\":4,\"lo",
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
    TinyTraining.run(options, parts);
    assertSameTraining(whole, parts);
  }

  @Test
  void finishedTrainingIsResumedWithoutAStep() {
    TrainingOptions options = TinyTraining.options(OptimizerOptions.adamW(), 4, INTERVALS);
    TrainingResult first = TinyTraining.run(options, folder);
    List<String> metrics = TinyTraining.metrics(folder);
    byte[] state = TinyTraining.bytes(folder, Trainer.STATE_FILE);
    TrainingResult second = TinyTraining.run(options, folder);
    assertEquals(first.evaluation(), second.evaluation());
    assertEquals(4, second.steps());
    assertFalse(second.stopped());
    assertEquals(metrics, TinyTraining.metrics(folder));
    assertArrayEquals(state, TinyTraining.bytes(folder, Trainer.STATE_FILE));
  }

  @Test
  void probingChangesNothing() {
    TrainingOptions options = TinyTraining.options(OptimizerOptions.adamW(), 3, INTERVALS);
    Path plain = folder.resolve("plain");
    TinyTraining.run(options, plain);
    Path probed = folder.resolve("probed");
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
        Trainer trainer = trainer(model, TinyTraining.TRAIN, options, probed)) {
      assertTrue(trainer.secondsPerStep(2) > 0);
      assertThrows(IllegalArgumentException.class, () -> trainer.secondsPerStep(0));
      trainer.run();
    }
    assertSameTraining(plain, probed);
  }

  @Test
  void freshRunRefusesAFolderInUse() {
    TrainingOptions options = TinyTraining.options(OptimizerOptions.adamW(), 3, INTERVALS);
    TinyTraining.run(options, folder);
    byte[] state = TinyTraining.bytes(folder, Trainer.STATE_FILE);
    List<String> metrics = TinyTraining.metrics(folder);
    try (Backend backend = TinyTraining.backend(1);
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
        Trainer trainer = trainer(model, TinyTraining.TRAIN, options, folder)) {
      CheckpointException refusal = assertThrows(CheckpointException.class, trainer::run);
      assertTrue(refusal.getMessage().contains("--resume"), refusal.getMessage());
      assertTrue(refusal.getMessage().contains("--out"), refusal.getMessage());
    }
    assertArrayEquals(state, TinyTraining.bytes(folder, Trainer.STATE_FILE));
    assertEquals(metrics, TinyTraining.metrics(folder));
  }

  @Test
  void foreignStateIsRefusedWithAllDifferences() {
    TrainingOptions options = TinyTraining.options(OptimizerOptions.adamW(), 3, INTERVALS);
    TinyTraining.run(options, folder);
    ReformerConfig other = TinyTraining.builder().feedForwardSize(48).numHashes(3).build();
    TrainingOptions adafactor = TinyTraining.options(OptimizerOptions.adafactor(), 7, INTERVALS);
    Corpus text = TinyTraining.corpus("another text. ", 1500);
    try (Backend backend = TinyTraining.backend(1);
        ReformerModel model = ReformerModel.create(other, backend, 3);
        Trainer trainer = trainer(model, text, adafactor, folder)) {
      float[] before = backend.download(model.parameters().find("lm_head.decoder.weight").value());
      String message = assertThrows(CheckpointException.class, trainer::resume).getMessage();
      for (String part :
          List.of(
              "config.feed_forward_size is 48, saved was 32",
              "config.num_hashes is 3, saved was 2",
              "options.optimizer.kind is \"ADAFACTOR\", saved was \"ADAMW\"",
              "options.rate.totalSteps is 7, saved was 3",
              "training text is ")) {
        assertTrue(message.contains(part), part + " is not in: " + message);
      }
      assertFalse(message.contains("config.hidden_size"), message);
      assertFalse(message.contains("held-out"), message);
      assertArrayEquals(
          before, backend.download(model.parameters().find("lm_head.decoder.weight").value()));
    }
  }

  @Test
  void stateWithOtherTensorsIsRefused() {
    TrainingOptions options = TinyTraining.options(OptimizerOptions.adamW(), 3, INTERVALS);
    TinyTraining.run(options, folder);
    Path file = folder.resolve(Trainer.STATE_FILE);
    SafeTensors state = SafeTensors.open(file);
    SafeTensorsWriter writer = new SafeTensorsWriter();
    state.metadata().forEach(writer::metadata);
    for (String name : state.names()) {
      float[] values = state.floats(name);
      if (name.equals("optimizer.lm_head.bias.first")) {
        writer.floats(name, Shape.of(2, 129), () -> values);
      } else {
        String written = name.equals("lm_head.bias") ? "lm_head.other" : name;
        writer.floats(written, state.entry(name).shape(), () -> values);
      }
    }
    writer.write(file);
    String message =
        assertThrows(CheckpointException.class, () -> TinyTraining.run(options, folder))
            .getMessage();
    for (String part :
        List.of(
            "missing lm_head.bias[258]",
            "unexpected lm_head.other[258]",
            "mis-shaped optimizer.lm_head.bias.first: expected F32[258], found F32[2, 129]")) {
      assertTrue(message.contains(part), part + " is not in: " + message);
    }
  }

  @Test
  void damagedMetricsAreNotDroppedSilently() throws IOException {
    TrainingOptions options = TinyTraining.options(OptimizerOptions.adamW(), 3, INTERVALS);
    TinyTraining.run(options, folder);
    Path file = folder.resolve(Trainer.METRICS_FILE);
    Files.writeString(file, "{\"step\":\n" + Files.readString(file));
    String message =
        assertThrows(CheckpointException.class, () -> TinyTraining.run(options, folder))
            .getMessage();
    assertTrue(message.contains("line 1"), message);
  }

  private static Trainer trainer(
      ReformerModel model, Corpus text, TrainingOptions options, Path output) {
    return new Trainer(
        model, text, TinyTraining.VALIDATION, options, output, TrainingListener.NONE);
  }

  /** Has another thread stop the training while the first parameter is updated in step 3. */
  private static final class StoppingBackend {
    private Trainer trainer;
    private long step;

    Backend around(Backend backend) {
      InvocationHandler handler =
          (proxy, method, arguments) -> {
            if (method.getName().equals("adamW") && ((AdamWSpec) arguments[4]).step() > step) {
              step++;
              if (step == 3) {
                Thread other = new Thread(trainer::stopAfterCurrentStep);
                other.start();
                other.join();
              }
            }
            return method.invoke(backend, arguments);
          };
      return (Backend)
          Proxy.newProxyInstance(
              Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, handler);
    }
  }
}
