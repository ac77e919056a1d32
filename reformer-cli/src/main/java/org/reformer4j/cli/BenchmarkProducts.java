package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import java.util.Optional;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Rates of matrix products: a large square one as the machine's ceiling, and the model's shapes.
 */
final class BenchmarkProducts {
  private static final int FIRST_EDGE = 1024;
  private static final int LAST_EDGE = 8192;

  /** Some 5 ms a call where a thread does 200 GFLOP/s. */
  private static final long PEAK_ROUNDS = 2_500_000;

  private static final int PEAK_CALLS = 10;

  /** A product must take so long that queueing it does not matter. */
  private static final double LONG_ENOUGH = 5e-3;

  private final Backend backend;
  private final DType type;
  private final BenchmarkTimer timer;
  private final BenchmarkReport report;
  private double best;
  private double peak;

  BenchmarkProducts(Backend backend, DType type, BenchmarkTimer timer, BenchmarkReport report) {
    this.backend = backend;
    this.type = type;
    this.timer = timer;
    this.report = report;
  }

  /**
   * Returns the operations per second with which others are compared: the peak of multiply-adds
   * where the backend can measure that, else the best product; 0 before the first.
   */
  double ceiling() {
    return peak > 0 ? peak : best;
  }

  /** Measures the peak of multiply-adds, where the backend can; the best time counts. */
  void peak() {
    double operations = backend.multiplyAdds(1) * PEAK_ROUNDS;
    if (operations == 0) {
      return;
    }
    double seconds = Double.POSITIVE_INFINITY;
    for (int i = 0; i < PEAK_CALLS; i++) {
      long start = System.nanoTime();
      backend.multiplyAdds(PEAK_ROUNDS);
      seconds = Math.min(seconds, (System.nanoTime() - start) * 1e-9);
    }
    peak = Math.max(peak, operations / seconds);
    report.root().put("peak_gflops", peak * 1e-9);
    report.line(
        String.format(Locale.ROOT, "peak of multiply-adds %32s %10.1f GFLOP/s", "", peak * 1e-9));
  }

  /**
   * Measures a square product.
   *
   * @param edge its size, or 0 to double it from 1024 on while it is short
   */
  void square(int edge) {
    if (edge > 0) {
      measure("square", edge, edge, edge);
      return;
    }
    double seconds = 0;
    for (int size = FIRST_EDGE; size <= LAST_EDGE && seconds < LONG_ENOUGH; size *= 2) {
      seconds = measure("square", size, size, size);
    }
  }

  /**
   * Measures c [m, n] = a [m, k] b [n, k]^T.
   *
   * @return seconds, infinite if there was no time
   */
  double measure(String what, int m, int n, int k) {
    String shape = m + " x " + n + " x " + k;
    double flop = 2.0 * m * n * k;
    try (TensorScope scope = backend.scope("benchmark")) {
      Tensor a = scope.allocate(type, m, k);
      Tensor b = scope.allocate(type, n, k);
      Tensor c = scope.allocate(type, m, n);
      backend.fill(a, 0.5f);
      backend.fill(b, 0.25f);
      Optional<BenchmarkTimer.Timing> timing =
          timer.time(
              best == 0 ? 0 : 2 * flop / best,
              () -> {
                backend.gemm(c, a, false, b, true, 1f, 0f);
                backend.synchronize();
              });
      if (timing.isEmpty()) {
        report.cut("gemm " + shape);
        return Double.POSITIVE_INFINITY;
      }
      double seconds = timing.get().seconds();
      best = Math.max(best, flop / seconds);
      ObjectNode entry = BenchmarkReport.entry();
      entry.put("what", what);
      entry.put("m", m).put("n", n).put("k", k);
      entry.put("type", type.name().toLowerCase(Locale.ROOT));
      BenchmarkTraining.put(entry, timing.get());
      entry.put("gflops", flop / seconds * 1e-9);
      report.root().put("ceiling_gflops", ceiling() * 1e-9);
      entry.put("share_of_ceiling", flop / seconds / ceiling());
      report.add(
          BenchmarkPart.GEMM,
          entry,
          String.format(
              Locale.ROOT,
              "gemm %-24s %10.3f ms %10.1f GFLOP/s %5.1f %%",
              shape,
              seconds * 1e3,
              flop / seconds * 1e-9,
              1e2 * flop / seconds / ceiling()));
      return seconds;
    }
  }
}
