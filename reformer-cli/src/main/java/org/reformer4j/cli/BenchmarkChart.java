package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.awt.AWTError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;

/** Draws the rates of forward passes and training steps against the length. */
final class BenchmarkChart {
  private BenchmarkChart() {}

  static void draw(Map<String, List<JsonNode>> series, JsonNode results, Path plot)
      throws IOException {
    try {
      XYChart chart =
          new XYChartBuilder()
              .width(900)
              .height(540)
              .title("Tokens per second, backend " + results.get("backend").get("name").asText())
              .xAxisTitle("tokens of a sequence")
              .yAxisTitle("tokens per second")
              .build();
      chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
      series.forEach(
          (name, entries) ->
              chart.addSeries(
                  name,
                  entries.stream().mapToDouble(e -> e.get("length").asDouble()).toArray(),
                  entries.stream()
                      .mapToDouble(e -> e.get("tokens_per_second").asDouble())
                      .toArray()));
      BitmapEncoder.saveBitmap(chart, plot.toString(), BitmapFormat.PNG);
    } catch (AWTError | InternalError e) {
      throw new IOException(e.toString(), e);
    }
  }
}
