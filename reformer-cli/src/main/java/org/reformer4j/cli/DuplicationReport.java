package org.reformer4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.model.experiment.AccuracyTable;
import org.reformer4j.model.experiment.AttentionSetting;
import org.reformer4j.model.experiment.DuplicationOptions;
import org.reformer4j.model.train.TrainingResult;

/**
 * The results of a duplication experiment as JSON, as a table and as a plot. The first two are
 * written anew after every measurement, so that a run that is killed leaves what it has measured.
 */
final class DuplicationReport {
  static final String JSON_FILE = "duplication.json";
  static final String TABLE_FILE = "duplication.md";
  static final String PLOT_FILE = "duplication.png";

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final ObjectNode root = JSON.createObjectNode();
  private final ArrayNode trainings;
  private final Path folder;
  private final AccuracyTable table;
  private final long start = System.nanoTime();

  /**
   * Begins a report; makes the folder.
   *
   * @param folder where the files go
   * @param options of the experiment
   * @param table holds the measurements
   * @param backend what computes
   * @param command the arguments of the command
   */
  DuplicationReport(
      Path folder,
      DuplicationOptions options,
      AccuracyTable table,
      Backend backend,
      List<String> command) {
    this.folder = folder;
    this.table = table;
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make the folder --out " + folder + ": " + e, e);
    }
    RunEnvironment.describe(root, backend, command);
    root.set("options", JSON.valueToTree(options));
    trainings = root.putArray("trainings");
  }

  /** Adds a training. */
  void trained(AttentionSetting attention, long seed, TrainingResult result) {
    ObjectNode entry = trainings.addObject();
    entry.put("trained", attention.label());
    entry.put("seed", seed);
    entry.put("steps", result.steps());
    // A training resumed after its last step has none.
    if (Double.isFinite(result.loss())) {
      entry.put("loss", result.loss());
    }
    entry.put("seconds", result.seconds());
    write();
  }

  /** Writes what the table holds now. */
  void measured() {
    write();
  }

  /**
   * Writes all files for the last time; without the plot where something is missing, for AWT does
   * not start in a process that ends.
   *
   * @param whole whether nothing is missing
   * @return a line that says where they are
   */
  String finish(boolean whole) {
    root.put("complete", whole);
    write();
    String files = "results: " + folder.resolve(JSON_FILE);
    Path plot = folder.resolve(PLOT_FILE);
    return whole ? files + ", " + DuplicationPlot.write(table, plot) : files;
  }

  /** Returns the table. */
  String markdown() {
    return table.markdown();
  }

  private void write() {
    root.put("seconds", (System.nanoTime() - start) * 1e-9);
    ArrayNode cells = root.putArray("cells");
    for (AttentionSetting row : table.rows()) {
      for (AttentionSetting column : table.columns()) {
        ObjectNode cell = cells.addObject();
        cell.put("trained", row.label());
        cell.put("evaluated", column.label());
        ArrayNode accuracies = cell.putArray("accuracies");
        table.accuracies(row, column).forEach(accuracies::add);
      }
    }
    try {
      JSON.writeValue(folder.resolve(JSON_FILE).toFile(), root);
      Files.writeString(folder.resolve(TABLE_FILE), table.markdown());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write to " + folder + ": " + e, e);
    }
  }
}
