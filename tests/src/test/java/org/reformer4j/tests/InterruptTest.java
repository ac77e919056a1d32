package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.cli.Main;
import org.reformer4j.model.train.Trainer;

/** Work in a process of its own that is asked to end, as Ctrl-C does. */
class InterruptTest {
  @TempDir Path folder;

  @Test
  @Timeout(60)
  void interruptedTrainingSavesAndSaysHowToGoOn() throws IOException, InterruptedException {
    Path text = folder.resolve("a text.txt");
    Files.writeString(text, "the quick brown fox jumps over the lazy dog\n".repeat(60));
    Path out = folder.resolve("run");
    String printed = interrupt("step 2/", train(text, out));
    assertTrue(printed.contains("stopped after step "), printed);
    String command =
        "go on with: ./reformer train --resume --out " + out + " --text '" + text + "'";
    assertTrue(printed.contains(command), printed);
    assertTrue(Trainer.savedStep(out) >= 2);
  }

  @Test
  @Timeout(60)
  void interruptedExperimentLeavesItsTable() throws IOException, InterruptedException {
    Path out = folder.resolve("experiment");
    List<String> arguments =
        List.of(
            ("experiment duplication --backend reference --length 16 --hidden 16 --heads 2 --ff 16"
                    + " --chunk 4 --batch 2 --hashes 2 --evaluate-hashes 2 --seeds 1000"
                    + " --evaluation-sequences 4 --steps 20 --out")
                .split(" "));
    String printed = interrupt("trained with full, evaluated with LSH-2", concat(arguments, out));
    assertTrue(printed.contains("stopped; go on with the same command and --resume"), printed);
    String table = Files.readString(out.resolve("duplication.md"));
    assertTrue(table.contains("| full | "), table);
    assertTrue(Files.readString(out.resolve("duplication.json")).contains("\"complete\" : false"));
  }

  private static List<String> concat(List<String> arguments, Path out) {
    List<String> all = new ArrayList<>(arguments);
    all.add(out.toString());
    return all;
  }

  /**
   * Runs a command, asks it to end once it has printed a line that begins so, and returns all that
   * it printed as errors and progress.
   */
  private static String interrupt(String line, List<String> arguments)
      throws IOException, InterruptedException {
    Process process = start(arguments);
    assumeTrue(process.supportsNormalTermination(), "this system only kills processes");
    StringBuilder printed = new StringBuilder();
    try (BufferedReader lines = process.errorReader()) {
      boolean asked = false;
      for (String next = lines.readLine(); next != null; next = lines.readLine()) {
        printed.append(next).append('\n');
        if (!asked && next.startsWith(line)) {
          // Windows aside, a signal; closing the streams as Process.destroy does would hide output.
          process.toHandle().destroy();
          asked = true;
        }
      }
    }
    assertTrue(process.waitFor(10, TimeUnit.SECONDS));
    assertEquals(128 + 15, process.exitValue(), printed.toString());
    return printed.toString();
  }

  private static List<String> train(Path text, Path out) {
    return List.of(
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
  }

  private static Process start(List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(arguments);
    return new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
  }
}
