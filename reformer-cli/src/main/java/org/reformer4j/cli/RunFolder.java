package org.reformer4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.reformer4j.model.checkpoint.WeightFiles;
import org.reformer4j.model.train.Trainer;

/**
 * Where a training puts its results.
 *
 * @param path the folder, which need not exist yet
 */
record RunFolder(Path path) {
  /**
   * Makes sure that a new training overwrites nothing.
   *
   * @param use command that uses a finished model
   * @throws IllegalArgumentException if the folder holds something; the message says what to do
   */
  void requireUnused(String use) {
    if (Files.exists(path) && !Files.isDirectory(path)) {
      throw new IllegalArgumentException(path + " is no folder: choose another --out");
    }
    if (Files.exists(path.resolve(Trainer.STATE_FILE))) {
      long total = Trainer.savedOptions(path).orElseThrow().rate().totalSteps();
      long done = Trainer.savedStep(path);
      throw new IllegalArgumentException(
          path
              + (done < total
                  ? " holds a training stopped after step "
                      + done
                      + " of "
                      + total
                      + ": add --resume to go on"
                  : " holds a finished training of "
                      + total
                      + " steps: use it with '"
                      + use
                      + "', see its results again with --resume")
              + ", or choose another --out");
    }
    if (WeightFiles.find(path).isPresent()) {
      throw new IllegalArgumentException(path + " holds a model already: choose another --out");
    }
  }

  /**
   * Makes sure that there is something to go on with.
   *
   * @throws IllegalArgumentException if there is none
   */
  void requireTraining() {
    if (!Files.exists(path.resolve(Trainer.STATE_FILE))) {
      throw new IllegalArgumentException(
          "there is no training to resume in " + path + ": leave out --resume");
    }
  }

  /** Returns a command that uses the model to continue a prompt. */
  String generation(String prompt) {
    return "./reformer generate --model " + quote(path.toString()) + " --prompt \"" + prompt + "\"";
  }

  /** Quotes a word for a shell if it needs that. */
  static String quote(String word) {
    return word.matches("[\\w./:=,@%+-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
  }
}
