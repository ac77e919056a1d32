package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.AWTError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws the loss curve of a metrics file. */
final class LossPlot {
  /** Name of the plot in the output folder. */
  static final String FILE = "loss.png";

  private LossPlot() {}

  /**
   * Draws the plot; a machine without fonts costs the plot, not the training.
   *
   * @param metrics what to draw
   * @param plot where to
   * @return a line that says where the plot is or why there is none
   */
  static String write(Path metrics, Path plot) {
    try {
      XYChart chart = chart(metrics);
      if (chart.getSeriesMap().isEmpty()) {
        return "plot not written: " + metrics + " holds no losses";
      }
      BitmapEncoder.saveBitmap(chart, plot.toString(), BitmapFormat.PNG);
      return "plot: " + plot;
    } catch (IOException | LinkageError | AWTError | InternalError e) {
      return "plot not written: " + e + " (a headless JRE may need the package fontconfig)";
    }
  }

  private static XYChart chart(Path metrics) throws IOException {
    List<Double> steps = new ArrayList<>();
    List<Double> losses = new ArrayList<>();
    List<Double> heldOutSteps = new ArrayList<>();
    List<Double> heldOut = new ArrayList<>();
    ObjectMapper json = new ObjectMapper();
    for (String line : Files.readAllLines(metrics)) {
      JsonNode node = json.readTree(line);
      if (node.has("bits_per_byte")) {
        steps.add(node.get("step").asDouble());
        losses.add(node.get("bits_per_byte").asDouble());
      } else if (node.has("validation_bits_per_byte")) {
        heldOutSteps.add(node.get("step").asDouble());
        heldOut.add(node.get("validation_bits_per_byte").asDouble());
      }
    }
    XYChart chart =
        new XYChartBuilder()
            .width(900)
            .height(540)
            .title("Training loss")
            .xAxisTitle("step")
            .yAxisTitle("bits per byte")
            .build();
    if (!steps.isEmpty()) {
      chart.addSeries("training", steps, losses).setMarker(SeriesMarkers.NONE);
    }
    if (!heldOut.isEmpty()) {
      XYSeries series = chart.addSeries("held out", heldOutSteps, heldOut);
      series.setMarker(SeriesMarkers.CIRCLE);
    }
    return chart;
  }
}
