package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.LoadReport;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.Task;
import org.reformer4j.model.experiment.AccuracyTable;
import org.reformer4j.model.experiment.AttentionSetting;
import org.reformer4j.model.experiment.DuplicationExperiment;
import org.reformer4j.model.experiment.DuplicationListener;
import org.reformer4j.model.experiment.DuplicationOptions;
import org.reformer4j.model.experiment.DuplicationTask.Split;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.Trainer;

/** The duplication experiment, small enough for plain Java. */
class DuplicationExperimentTest {
  private static final AttentionSetting FULL = AttentionSetting.FULL;
  private static final AttentionSetting TWO = new AttentionSetting(2);
  private static final AttentionSetting FOUR = new AttentionSetting(4);

  @TempDir Path folder;

  private static DuplicationOptions options(int steps) {
    return options(steps, 4);
  }

  private static DuplicationOptions options(int steps, int chunk) {
    return options(steps, chunk, LshSelection.SORTED, ResidualArithmetic.FLOAT);
  }

  private static DuplicationOptions options(
      int steps, int chunk, LshSelection selection, ResidualArithmetic residuals) {
    return new DuplicationOptions(16, 32, 2, 32, chunk, steps, 16, 0.003, 64, selection, residuals);
  }

  /** Chance is 1 in 127; the second word can only be had from the first through attention. */
  @Test
  void modelsLearnToDuplicate() {
    List<AttentionSetting> all = List.of(FULL, FOUR, TWO);
    AccuracyTable table = new AccuracyTable(List.of(FULL, TWO), all);
    List<String> events = new ArrayList<>();
    DuplicationListener listener =
        new DuplicationListener() {
          @Override
          public void begins(AttentionSetting trained, long seed) {
            events.add("begins " + trained.label() + " " + seed);
          }

          @Override
          public void measured(
              AttentionSetting trained, AttentionSetting evaluated, long seed, double accuracy) {
            events.add(trained.label() + " in " + evaluated.label());
            assertTrue(table.accuracies(trained, evaluated).contains(accuracy));
          }
        };
    try (Backend backend = TestBackends.reference()) {
      DuplicationExperiment experiment =
          new DuplicationExperiment(options(200), backend, folder, listener);
      assertTrue(experiment.run(List.of(3L), List.of(FULL, TWO), all, false, table));
    }
    assertEquals(
        List.of(
            "begins full 3",
            "full in full",
            "full in LSH-4",
            "full in LSH-2",
            "begins LSH-2 3",
            "LSH-2 in full",
            "LSH-2 in LSH-4",
            "LSH-2 in LSH-2"),
        events);
    assertTrue(table.accuracies(FULL, FULL).get(0) >= 0.99, table.markdown());
    assertTrue(table.accuracies(TWO, FOUR).get(0) >= 0.98, table.markdown());
    assertTrue(table.accuracies(TWO, TWO).get(0) >= 0.98, table.markdown());
  }

  @Test
  void modelsOfCausalSelectionOnFixedPointStreamsLearnToo() {
    AccuracyTable table = new AccuracyTable(List.of(TWO), List.of(FULL, FOUR, TWO));
    DuplicationOptions options =
        options(200, 4, LshSelection.CAUSAL, ResidualArithmetic.FIXED_POINT);
    try (Backend backend = TestBackends.reference()) {
      DuplicationExperiment experiment =
          new DuplicationExperiment(options, backend, folder, new DuplicationListener() {});
      assertTrue(experiment.run(List.of(3L), table.rows(), table.columns(), false, table));
    }
    for (AttentionSetting column : table.columns()) {
      assertTrue(table.accuracies(TWO, column).get(0) >= 0.98, table.markdown());
    }
  }

  /**
   * Of two chunks, each sees itself and the other one, so LSH attention leaves nothing out: what is
   * called full attention must be the same. Of four chunks it leaves something out.
   */
  @Test
  void fullAttentionIsLshAttentionThatLeavesNothingOut() {
    float[] full = logits(options(1, 4), FULL);
    assertArrayEquals(
        full, logits(options(1, 8), new AttentionSetting(1)), (float) Tolerances.OUTPUT);
    float[] less = logits(options(1, 4), new AttentionSetting(1));
    double most = 0;
    for (int i = 0; i < full.length; i++) {
      most = Math.max(most, Math.abs(full[i] - less[i]));
    }
    assertTrue(most > 100 * Tolerances.OUTPUT, "differs by " + most);
  }

  /** Returns the logits of one and the same model, saved by full attention. */
  private float[] logits(DuplicationOptions options, AttentionSetting attention) {
    Batch batch = options.task(0, Split.EVALUATION).batch(0, 4);
    try (Backend backend = TestBackends.reference();
        ReformerModel saved = ReformerModel.create(options.config(FULL), backend, 7)) {
      saved.save(folder);
      try (ReformerModel model =
          ReformerModel.loadForTask(
              folder,
              options.config(attention),
              Task.LANGUAGE_MODEL,
              backend,
              Precision.FLOAT32,
              8)) {
        assertEquals(LoadReport.COMPLETE, model.loadReport());
        return model.logits(batch, CallOptions.EVALUATION);
      }
    }
  }

  @Test
  void untrainedModelsGuess() {
    AccuracyTable table = run(folder, 1, false);
    for (AttentionSetting column : table.columns()) {
      assertEquals(1 / 127.0, table.accuracies(TWO, column).get(0), 0.03, table.markdown());
    }
  }

  private static AccuracyTable run(Path out, int steps, boolean resume) {
    AccuracyTable table = new AccuracyTable(List.of(TWO), List.of(FULL, TWO));
    try (Backend backend = TestBackends.reference()) {
      DuplicationExperiment experiment =
          new DuplicationExperiment(options(steps), backend, out, new DuplicationListener() {});
      assertTrue(experiment.run(List.of(0L, 1L), table.rows(), table.columns(), resume, table));
    }
    return table;
  }

  @Test
  void goesOnAfterAStopWithTheSameBits() throws IOException {
    AccuracyTable whole = run(folder.resolve("whole"), 40, false);
    assertEquals(2, whole.accuracies(TWO, TWO).size());
    Path out = folder.resolve("stopped");
    AccuracyTable part = new AccuracyTable(whole.rows(), whole.columns());
    try (Backend backend = TestBackends.reference()) {
      DuplicationExperiment[] experiment = {null};
      // Steps are reported every 20: it stops within the first training.
      DuplicationListener stops =
          new DuplicationListener() {
            @Override
            public void step(StepReport report) {
              experiment[0].stop();
            }
          };
      experiment[0] = new DuplicationExperiment(options(40), backend, out, stops);
      assertFalse(experiment[0].run(List.of(0L, 1L), part.rows(), part.columns(), false, part));
    }
    assertEquals(20, Trainer.savedStep(out.resolve("lsh-2-seed-0")));
    assertEquals(List.of(), part.accuracies(TWO, FULL));
    assertThrows(CheckpointException.class, () -> run(out, 40, false), "is not overwritten");
    assertEquals(whole.markdown(), run(out, 40, true).markdown());
    for (String model : List.of("lsh-2-seed-0", "lsh-2-seed-1")) {
      assertArrayEquals(
          TinyTraining.bytes(folder.resolve("whole").resolve(model), Trainer.STATE_FILE),
          TinyTraining.bytes(out.resolve(model), Trainer.STATE_FILE));
    }
    assertEquals(whole.markdown(), run(out, 40, true).markdown(), "finished models are measured");
  }
}
