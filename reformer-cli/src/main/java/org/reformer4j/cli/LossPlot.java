package org.reformer4j.cli;

import java.awt.AWTError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws loss curves. */
final class LossPlot {
  /** Name of the plot in the output folder. */
  static final String FILE = "loss.png";

  private LossPlot() {}

  /**
   * Draws a training; a machine without fonts costs the plot, not the training.
   *
   * @param metrics what to draw
   * @param plot where to
   * @return a line that says where the plot is or why there is none
   */
  static String write(Path metrics, Path plot) {
    try {
      XYChart chart = chart("Training loss");
      LossCurve training = LossCurve.read(metrics, LossCurve.TRAINING);
      if (!training.isEmpty()) {
        add(chart, "training", training).setMarker(SeriesMarkers.NONE);
      }
      LossCurve heldOut = LossCurve.read(metrics, LossCurve.HELD_OUT);
      if (!heldOut.isEmpty()) {
        add(chart, "held out", heldOut).setMarker(SeriesMarkers.CIRCLE);
      }
      if (chart.getSeriesMap().isEmpty()) {
        return "plot not written: " + metrics + " holds no losses";
      }
      save(chart, plot);
      return "plot: " + plot;
    } catch (IOException | LinkageError e) {
      return "plot not written: " + e + " (a headless JRE may need the package fontconfig)";
    }
  }

  /**
   * Draws the curves of several trainings.
   *
   * @param title of the plot
   * @param curves by name
   * @param plot where to
   * @throws IOException if this machine cannot draw, or the file cannot be written
   */
  static void compare(String title, Map<String, LossCurve> curves, Path plot) throws IOException {
    XYChart chart = chart(title);
    curves.forEach((name, curve) -> add(chart, name, curve).setMarker(SeriesMarkers.CIRCLE));
    save(chart, plot);
  }

  private static XYChart chart(String title) throws IOException {
    try {
      return new XYChartBuilder()
          .width(900)
          .height(540)
          .title(title)
          .xAxisTitle("step")
          .yAxisTitle("bits per byte")
          .build();
    } catch (AWTError | InternalError e) {
      throw new IOException(e.toString(), e);
    }
  }

  private static XYSeries add(XYChart chart, String name, LossCurve curve) {
    return chart.addSeries(name, curve.steps(), curve.bitsPerByte());
  }

  private static void save(XYChart chart, Path plot) throws IOException {
    try {
      BitmapEncoder.saveBitmap(chart, plot.toString(), BitmapFormat.PNG);
    } catch (AWTError | InternalError e) {
      throw new IOException(e.toString(), e);
    }
  }
}
