package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.awt.AWTError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;

/** Draws the rates of forward passes and training steps against the length. */
final class BenchmarkPlot {
  static final String FILE = "benchmark.png";

  private BenchmarkPlot() {}

  /**
   * Draws; a machine without fonts or without the plotting library costs the plot, not the results.
   *
   * @return a line that says where the plot is or why there is none
   */
  static String write(JsonNode results, Path plot) {
    Map<String, List<JsonNode>> series = new TreeMap<>();
    for (BenchmarkPart part : List.of(BenchmarkPart.FORWARD, BenchmarkPart.TRAIN)) {
      for (JsonNode entry : results.get(part.key())) {
        String name = part.key() + ", " + entry.get("hashes").asInt() + " rounds";
        series.computeIfAbsent(name, key -> new ArrayList<>()).add(entry);
      }
    }
    if (series.isEmpty()) {
      return "plot not written: no passes were measured";
    }
    try {
      draw(series, results, plot);
      return "plot: " + plot;
    } catch (IOException | LinkageError | AWTError | InternalError e) {
      return "plot not written: " + e + " (a headless JRE may need the package fontconfig)";
    }
  }

  private static void draw(Map<String, List<JsonNode>> series, JsonNode results, Path plot)
      throws IOException {
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
  }
}
