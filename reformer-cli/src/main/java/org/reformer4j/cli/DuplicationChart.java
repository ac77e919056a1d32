package org.reformer4j.cli;

import java.awt.AWTError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;

/** Draws accuracies as groups of bars. */
final class DuplicationChart {
  private DuplicationChart() {}

  static void draw(List<String> columns, List<DuplicationPlot.Bars> rows, Path plot)
      throws IOException {
    try {
      CategoryChart chart =
          new CategoryChartBuilder()
              .width(900)
              .height(540)
              .title("Duplication task: accuracy on the second w, by attention in training")
              .xAxisTitle("attention in evaluation")
              .yAxisTitle("percent")
              .build();
      chart.getStyler().setYAxisMin(0.0).setYAxisMax(100.0);
      for (DuplicationPlot.Bars row : rows) {
        chart.addSeries("trained with " + row.trained(), columns, row.percent());
      }
      BitmapEncoder.saveBitmap(chart, plot.toString(), BitmapFormat.PNG);
    } catch (AWTError | InternalError e) {
      throw new IOException(e.toString(), e);
    }
  }
}
