package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.model.Batch;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;

/** Peak of a training step for a number of layers. */
final class BenchmarkMemory {
  private final Backend backend;
  private final MemoryPolicy policy;
  private final BenchmarkTimer timer;
  private final BenchmarkReport report;

  BenchmarkMemory(
      Backend backend, MemoryPolicy policy, BenchmarkTimer timer, BenchmarkReport report) {
    this.policy = policy;
    this.backend = backend;
    this.timer = timer;
    this.report = report;
  }

  /**
   * Does one step.
   *
   * @param expected seconds of it, 0 if unknown
   */
  void measure(
      ReformerConfig config, Precision precision, int length, int rounds, double expected) {
    int layers = config.numHiddenLayers();
    String what = "memory of " + layers + " layers, " + length + " tokens";
    if (!timer.fits(expected)) {
      report.cut(what);
      return;
    }
    Batch batch = BenchmarkTraining.batch(1, length, config.vocabSize());
    try (ReformerModel model = ReformerModel.create(config, backend, precision, 0);
        BenchmarkTraining training = new BenchmarkTraining(model, policy)) {
      long held = backend.liveBytes();
      backend.resetPeak();
      training.step(batch, rounds);
      long peak = backend.peakBytes();
      ObjectNode entry = BenchmarkReport.entry();
      entry.put("layers", layers).put("length", length).put("hashes", rounds);
      entry.put("peak_bytes", peak);
      entry.put("parameters_bytes", held);
      entry.put("step_bytes", peak - held);
      report.add(
          BenchmarkPart.MEMORY,
          entry,
          String.format(
              Locale.ROOT,
              "memory  %2d layers T=%-8d peak %,d bytes, %,d beyond parameters, gradients and"
                  + " optimizer",
              layers,
              length,
              peak,
              peak - held));
    } catch (BackendException e) {
      if (e.fatal()) {
        throw e;
      }
      report.failed(what, e);
    }
  }
}
