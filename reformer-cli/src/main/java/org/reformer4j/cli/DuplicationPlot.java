package org.reformer4j.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.reformer4j.model.experiment.AccuracyTable;
import org.reformer4j.model.experiment.AttentionSetting;

/** Decides what is drawn of a table; works where neither the plotting library nor AWT is. */
final class DuplicationPlot {
  /**
   * Bars of one colour.
   *
   * @param trained attention in training
   * @param percent mean accuracy for each column of the table
   */
  record Bars(String trained, List<Double> percent) {}

  private DuplicationPlot() {}

  /**
   * Draws the rows that are complete; a machine without fonts or without the plotting library costs
   * the plot, not the results.
   *
   * @return words that say where the plot is or why there is none
   */
  static String write(AccuracyTable table, Path plot) {
    List<Bars> rows = new ArrayList<>();
    for (AttentionSetting row : table.rows()) {
      List<Double> percent = new ArrayList<>();
      for (AttentionSetting column : table.columns()) {
        table.accuracies(row, column).stream()
            .mapToDouble(accuracy -> 100 * accuracy)
            .average()
            .ifPresent(percent::add);
      }
      if (percent.size() == table.columns().size()) {
        rows.add(new Bars(row.label(), percent));
      }
    }
    if (rows.isEmpty()) {
      return "plot not written: no row is complete";
    }
    List<String> columns = table.columns().stream().map(AttentionSetting::label).toList();
    try {
      DuplicationChart.draw(columns, rows, plot);
      return "plot: " + plot;
    } catch (IOException | LinkageError e) {
      return "plot not written: " + e + " (a headless JRE may need the package fontconfig)";
    }
  }
}
