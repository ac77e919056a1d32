package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Decides what is drawn of a benchmark; works where neither the plotting library nor AWT is. */
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
      BenchmarkChart.draw(series, results, plot);
      return "plot: " + plot;
    } catch (IOException | LinkageError e) {
      return "plot not written: " + e + " (a headless JRE may need the package fontconfig)";
    }
  }
}
