package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.Sequences;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;

/** Forward passes and training steps of a model: time, rate, memory and the attention's path. */
final class BenchmarkPasses {
  /** Share of the ceiling that a first pass is expected to reach at least. */
  private static final double FIRST_SHARE = 0.03;

  private final BenchmarkTimer timer;
  private final BenchmarkReport report;
  private final StatusLine progress;
  private final double ceiling;
  private final Map<BenchmarkPart, Double> rates = new EnumMap<>(BenchmarkPart.class);

  /**
   * Makes the measurements.
   *
   * @param ceiling operations per second, 0 if unknown
   */
  BenchmarkPasses(
      BenchmarkTimer timer, BenchmarkReport report, StatusLine progress, double ceiling) {
    this.timer = timer;
    this.report = report;
    this.progress = progress;
    this.ceiling = ceiling;
  }

  /** Returns the seconds that some operations will probably take, 0 if nobody knows. */
  double expected(BenchmarkPart part, double flop) {
    Double rate = rates.get(part);
    if (rate == null && part == BenchmarkPart.TRAIN) {
      rate = rates.get(BenchmarkPart.FORWARD);
    }
    if (rate != null) {
      return flop / rate;
    }
    return ceiling == 0 ? 0 : flop / (ceiling * FIRST_SHARE);
  }

  void forward(ReformerModel model, int sequences, int length, int rounds) {
    Batch batch = BenchmarkTraining.batch(sequences, length, model.config().vocabSize());
    CallOptions options = CallOptions.EVALUATION.withNumHashes(rounds);
    double flop = sequences * BenchmarkWork.of(model.config(), length, rounds).forward();
    measure(
        BenchmarkPart.FORWARD,
        model,
        batch,
        rounds,
        flop,
        true,
        () -> model.nextTokenLogits(batch, options));
  }

  /** Operations are counted, and shares given, where all of them are done. */
  void train(
      ReformerModel model, BenchmarkTraining training, int sequences, int length, int rounds) {
    Batch batch = BenchmarkTraining.batch(sequences, length, model.config().vocabSize());
    double flop = sequences * BenchmarkWork.of(model.config(), length, rounds).trainingStep();
    measure(
        BenchmarkPart.TRAIN,
        model,
        batch,
        rounds,
        flop,
        training.recomputes(),
        () -> training.step(batch, rounds));
  }

  private void measure(
      BenchmarkPart part,
      ReformerModel model,
      Batch batch,
      int rounds,
      double flop,
      boolean counted,
      Runnable call) {
    String what = part.key() + " of " + batch.length() + " tokens, " + rounds + " rounds";
    progress.show(String.format(Locale.ROOT, "%.0f s: %s", timer.elapsed(), what));
    Backend backend = model.backend();
    backend.resetPeak();
    Optional<BenchmarkTimer.Timing> timing;
    try {
      timing = timer.time(expected(part, flop), call);
    } catch (BackendException e) {
      progress.end();
      if (e.fatal()) {
        throw e;
      }
      report.failed(what, e);
      return;
    }
    progress.end();
    if (timing.isEmpty()) {
      report.cut(what);
      return;
    }
    double seconds = timing.get().seconds();
    rates.put(part, flop / seconds);
    Map<String, String> paths = paths(model, batch);
    ObjectNode entry = BenchmarkReport.entry();
    entry.put("batch", batch.size()).put("length", batch.length()).put("hashes", rounds);
    entry.put("layers", model.config().numHiddenLayers());
    entry.put(
        "buckets",
        model
            .config()
            .bucketFactors(BenchmarkWork.slots(model.config(), batch.length()))
            .toString());
    BenchmarkTraining.put(entry, timing.get());
    entry.put("tokens_per_second", batch.rows() / seconds);
    if (counted) {
      entry.put("gflop", flop * 1e-9);
      entry.put("gflops", flop / seconds * 1e-9);
    }
    if (counted && ceiling > 0) {
      entry.put("share_of_ceiling", flop / seconds / ceiling);
    }
    entry.put("peak_bytes", backend.peakBytes());
    ObjectNode path = entry.putObject("attention_path");
    paths.forEach(path::put);
    report.add(
        part,
        entry,
        String.format(
            Locale.ROOT,
            "%-7s T=%-8d R=%-2d %11.2f ms %11.0f tok/s %18s%s  peak %s  %s",
            part.key(),
            batch.length(),
            rounds,
            seconds * 1e3,
            batch.rows() / seconds,
            counted ? String.format(Locale.ROOT, "%.1f GFLOP/s", flop / seconds * 1e-9) : "",
            counted && ceiling > 0
                ? String.format(Locale.ROOT, " %5.1f %%", 1e2 * flop / seconds / ceiling)
                : "",
            Progress.bytes(backend.peakBytes()),
            paths));
  }

  /** Returns by which kernels each kind of attention is computed. */
  private static Map<String, String> paths(ReformerModel model, Batch batch) {
    ReformerConfig config = model.config();
    Map<String, String> paths = new LinkedHashMap<>();
    int[] slots = new int[batch.size()];
    Arrays.fill(slots, BenchmarkWork.slots(config, batch.length()));
    Sequences sequences = Sequences.of(batch.length(), batch.lengths(), slots);
    for (AttentionKind kind : config.attnLayers()) {
      boolean lsh = kind == AttentionKind.LSH;
      AttentionSpec spec =
          new AttentionSpec(
              sequences,
              config.numAttentionHeads(),
              config.attentionHeadSize(),
              config.chunkLength(kind),
              lsh ? config.lshNumChunksBefore() : config.localNumChunksBefore(),
              lsh ? config.lshNumChunksAfter() : config.localNumChunksAfter(),
              config.isDecoder(),
              Dropout.NONE);
      paths.put(
          kind.configName(), model.backend().attentionPath(spec, model.precision().activations()));
    }
    return paths;
  }
}
