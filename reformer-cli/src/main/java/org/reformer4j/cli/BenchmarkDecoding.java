package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.SamplingOptions;

/** Tokens one after another, with the decoder that generation uses. */
final class BenchmarkDecoding {
  private final BenchmarkTimer timer;
  private final BenchmarkReport report;

  BenchmarkDecoding(BenchmarkTimer timer, BenchmarkReport report) {
    this.timer = timer;
    this.report = report;
  }

  /** Ends a generation for which there is no time left. */
  private static final class OutOfTime extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfTime() {
      super(null, null, false, false);
    }
  }

  /**
   * Generates.
   *
   * @param context tokens of the prompt
   * @param tokens how many to add, at least 2; the first one waits for the prompt
   * @param expected seconds of the prompt, 0 if unknown
   */
  void measure(ReformerModel model, int context, int tokens, double expected) {
    String what = "decoding after " + context + " tokens";
    if (!timer.fits(expected)) {
      report.cut(what);
      return;
    }
    int[] prompt = new Random(7).ints(context, 0, model.config().vocabSize()).toArray();
    List<Double> times = new ArrayList<>();
    times.add(timer.elapsed());
    boolean whole = true;
    try {
      new Generator(model)
          .generate(
              prompt,
              GenerationOptions.of(tokens, SamplingOptions.GREEDY),
              token -> {
                double now = timer.elapsed();
                double last = now - times.get(times.size() - 1);
                times.add(now);
                if (times.size() <= tokens && !timer.fits(last)) {
                  throw new OutOfTime();
                }
              });
    } catch (OutOfTime e) {
      whole = false;
    }
    if (times.size() < 3) {
      report.cut(what);
      return;
    }
    double[] gaps = new double[times.size() - 2];
    for (int i = 0; i < gaps.length; i++) {
      gaps[i] = times.get(i + 2) - times.get(i + 1);
    }
    Arrays.sort(gaps);
    double median = gaps[gaps.length / 2];
    ObjectNode entry = BenchmarkReport.entry();
    entry.put("context", context);
    entry.put("tokens", gaps.length);
    entry.put("prompt_seconds", times.get(1) - times.get(0));
    entry.put("seconds_per_token", median);
    entry.put("tokens_per_second", 1 / median);
    report.add(
        BenchmarkPart.DECODE,
        entry,
        String.format(
            Locale.ROOT,
            "decode  T=%-8d %11.2f ms/token %9.2f tok/s  prompt %.2f s",
            context,
            median * 1e3,
            1 / median,
            times.get(1) - times.get(0)));
    if (!whole) {
      report.cut(what + ": the last " + (tokens - gaps.length - 1) + " of " + tokens + " tokens");
    }
  }
}
