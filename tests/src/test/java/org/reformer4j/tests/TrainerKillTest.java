package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.model.train.Trainer;

/** Processes that are really killed, at moments that differ from run to run. */
class TrainerKillTest {
  private static final int KILLS = 3;

  @TempDir Path folder;

  @Test
  void killedAndResumedItEndsWithTheSameBytes() throws IOException, InterruptedException {
    long seed = System.nanoTime();
    String what = "moments of seed " + seed;
    Random random = new Random(seed);
    Path whole = folder.resolve("whole");
    TinyTraining.run(TrainingMain.OPTIONS, whole);
    Path killed = folder.resolve("killed");
    long total = TrainingMain.OPTIONS.rate().totalSteps();
    long before = 0;
    for (int i = 0; i < KILLS; i++) {
      trainAndKill(killed, 1 + random.nextInt(12), random.nextInt(25_000_000));
      SafeTensors state = SafeTensors.open(killed.resolve(Trainer.STATE_FILE));
      long step = Long.parseLong(state.metadata().get("step"));
      assertTrue(step > before && step < total, what + ": killed at " + step + " of " + total);
      before = step;
    }
    TinyTraining.run(TrainingMain.OPTIONS, killed);
    for (String file : new String[] {ModelFolder.WEIGHTS, Trainer.STATE_FILE}) {
      assertArrayEquals(
          TinyTraining.bytes(whole, file), TinyTraining.bytes(killed, file), what + ": " + file);
    }
    assertEquals(TinyTraining.metrics(whole), TinyTraining.metrics(killed), what);
  }

  /** Starts or resumes the training, waits for some checkpoints and a little longer. */
  private static void trainAndKill(Path output, int checkpoints, int nanos)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                TrainingMain.class.getName(),
                output.toString())
            .redirectErrorStream(true)
            .start();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (int i = 0; i < checkpoints; i++) {
        String line = lines.readLine();
        assertNotNull(line, "the process ended early");
        assertTrue(line.matches("\\d+"), line);
      }
      TimeUnit.NANOSECONDS.sleep(nanos);
    } finally {
      process.destroyForcibly();
    }
    assertNotEquals(0, process.waitFor());
  }
}
