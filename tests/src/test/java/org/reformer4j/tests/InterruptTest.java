package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.cli.Main;
import org.reformer4j.model.train.Trainer;

/** A training in a process of its own that is asked to end, as Ctrl-C does. */
class InterruptTest {
  @TempDir Path folder;

  @Test
  @Timeout(60)
  void interruptedTrainingSavesAndSaysHowToGoOn() throws IOException, InterruptedException {
    Path text = folder.resolve("a text.txt");
    Files.writeString(text, "the quick brown fox jumps over the lazy dog\n".repeat(60));
    Path out = folder.resolve("run");
    Process process = start(text, out);
    assumeTrue(process.supportsNormalTermination(), "this system only kills processes");
    StringBuilder printed = new StringBuilder();
    try (BufferedReader lines = process.errorReader()) {
      boolean asked = false;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        printed.append(line).append('\n');
        if (!asked && line.startsWith("step 2/")) {
          // Windows aside, a signal; closing the streams as Process.destroy does would hide output.
          process.toHandle().destroy();
          asked = true;
        }
      }
    }
    assertTrue(process.waitFor(10, TimeUnit.SECONDS));
    assertEquals(128 + 15, process.exitValue(), printed.toString());
    assertTrue(printed.toString().contains("stopped after step "), printed.toString());
    String command =
        "go on with: ./reformer train --resume --out " + out + " --text '" + text + "'";
    assertTrue(printed.toString().contains(command), printed.toString());
    assertTrue(Trainer.savedStep(out) >= 2);
  }

  private static Process start(Path text, Path out) throws IOException {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName(),
            "train",
            "--text",
            text.toString(),
            "--out",
            out.toString(),
            "--layers=2",
            "--hidden=16",
            "--heads=2",
            "--context=32",
            "--batch=2",
            "--log-every=1",
            "--steps=1000000");
    return new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
  }
}
