package org.reformer4j.model.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Accuracies by attention in training and in evaluation, one for each seed measured so far. */
public final class AccuracyTable {
  private record Cell(AttentionSetting trained, AttentionSetting evaluated) {}

  private final List<AttentionSetting> trained;
  private final List<AttentionSetting> evaluated;
  private final Map<Cell, List<Double>> cells = new LinkedHashMap<>();

  /**
   * Makes a table without measurements.
   *
   * @param trained its rows
   * @param evaluated its columns
   */
  public AccuracyTable(List<AttentionSetting> trained, List<AttentionSetting> evaluated) {
    this.trained = List.copyOf(trained);
    this.evaluated = List.copyOf(evaluated);
    for (AttentionSetting row : trained) {
      for (AttentionSetting column : evaluated) {
        cells.put(new Cell(row, column), new ArrayList<>());
      }
    }
  }

  /**
   * Adds a measurement.
   *
   * @param row attention in training
   * @param column attention in evaluation
   * @param accuracy in 0..1
   * @throws IllegalArgumentException if there is no such cell
   */
  public void add(AttentionSetting row, AttentionSetting column, double accuracy) {
    cell(row, column).add(accuracy);
  }

  /** Returns the attentions in training. */
  public List<AttentionSetting> rows() {
    return trained;
  }

  /** Returns the attentions in evaluation. */
  public List<AttentionSetting> columns() {
    return evaluated;
  }

  /**
   * Returns the measurements of a cell, in the order of the seeds.
   *
   * @param row attention in training
   * @param column attention in evaluation
   * @throws IllegalArgumentException if there is no such cell
   */
  public List<Double> accuracies(AttentionSetting row, AttentionSetting column) {
    return List.copyOf(cell(row, column));
  }

  private List<Double> cell(AttentionSetting row, AttentionSetting column) {
    List<Double> cell = cells.get(new Cell(row, column));
    if (cell == null) {
      throw new IllegalArgumentException(
          "the table has no cell of " + row.label() + " in " + column.label());
    }
    return cell;
  }

  /**
   * Returns the table as Markdown, in percent: the accuracy, or of several seeds the mean and in
   * brackets the least and the greatest; a dash where nothing was measured.
   */
  public String markdown() {
    StringBuilder text = new StringBuilder("| trained \\ evaluated |");
    evaluated.forEach(column -> text.append(' ').append(column.label()).append(" |"));
    text.append("\n|---|").append("---|".repeat(evaluated.size())).append('\n');
    for (AttentionSetting row : trained) {
      text.append("| ").append(row.label()).append(" |");
      for (AttentionSetting column : evaluated) {
        text.append(' ').append(percent(cell(row, column))).append(" |");
      }
      text.append('\n');
    }
    return text.toString();
  }

  private static String percent(List<Double> values) {
    if (values.isEmpty()) {
      return "-";
    }
    double mean = values.stream().mapToDouble(v -> v).average().orElseThrow();
    if (values.size() == 1) {
      return String.format(Locale.ROOT, "%.2f", 100 * mean);
    }
    double least = values.stream().mapToDouble(v -> v).min().orElseThrow();
    double greatest = values.stream().mapToDouble(v -> v).max().orElseThrow();
    return String.format(Locale.ROOT, "%.2f (%.2f-%.2f)", 100 * mean, 100 * least, 100 * greatest);
  }
}
