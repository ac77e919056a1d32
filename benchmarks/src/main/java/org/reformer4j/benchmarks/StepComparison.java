package org.reformer4j.benchmarks;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.model.Backends;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;

/**
 * Gradients of one model computed in several ways, a step of each by turns: on a machine that
 * others use, what disturbs one way disturbs the next as much, so that ratios can be read.
 */
public final class StepComparison {
  /** One way to compute a step. */
  private record Way(String name, ReformerModel model, MemoryPolicy memory) {}

  private StepComparison() {}

  /**
   * Prints for each way its fastest step and the median of its ratios to the first way's step
   * before it.
   *
   * @param args backend, threads, tokens, turns
   */
  public static void main(String[] args) {
    int threads = Integer.parseInt(args[1]);
    BackendOptions options = BackendOptions.defaults().withThreads(threads);
    try (Backend backend = Backends.open(args[0], options).backend()) {
      compare(backend, Integer.parseInt(args[2]), Integer.parseInt(args[3]), System.out);
    }
  }

  static void compare(Backend backend, int tokens, int turns, PrintStream out) {
    ReformerConfig floats = config(tokens, ResidualArithmetic.FLOAT);
    ReformerConfig fixed = config(tokens, ResidualArithmetic.FIXED_POINT);
    int[] ids = new Random(7).ints(tokens, 0, floats.vocabSize()).toArray();
    Batch batch = Batch.of(ids).withTargets(ids);
    try (ReformerModel first = ReformerModel.create(floats, backend, 0);
        ReformerModel second = ReformerModel.create(fixed, backend, 0)) {
      List<Way> ways =
          List.of(
              new Way("float streams, recompute", first, MemoryPolicy.RECOMPUTE),
              new Way("fixed-point streams, recompute", second, MemoryPolicy.RECOMPUTE),
              new Way("fixed-point streams, keep_order", second, MemoryPolicy.KEEP_ORDER),
              new Way("float streams, keep_feed_forward", first, MemoryPolicy.KEEP_FEED_FORWARD),
              new Way("float streams, keep_attention", first, MemoryPolicy.KEEP_ATTENTION));
      ways.forEach(way -> way.model().enableTraining());
      List<double[]> seconds = new ArrayList<>();
      // The first turns are for the compiler.
      for (int turn = -3; turn < turns; turn++) {
        double[] row = new double[ways.size()];
        for (int i = 0; i < row.length; i++) {
          row[i] = step(backend, ways.get(i), batch, turn);
        }
        if (turn >= 0) {
          seconds.add(row);
        }
      }
      for (int i = 0; i < ways.size(); i++) {
        int way = i;
        out.printf(
            Locale.ROOT,
            "%-34s fastest %.4f s, median ratio %.3f%n",
            ways.get(i).name(),
            seconds.stream().mapToDouble(row -> row[way]).min().orElseThrow(),
            median(seconds.stream().mapToDouble(row -> row[way] / row[0]).toArray()));
      }
    }
  }

  private static double step(Backend backend, Way way, Batch batch, int turn) {
    CallOptions call = CallOptions.training(0, turn + 3L).withMemory(way.memory());
    way.model().parameters().zeroGradients(backend);
    backend.synchronize();
    long start = System.nanoTime();
    way.model().lossAndGradients(batch, call, 1f);
    backend.synchronize();
    return (System.nanoTime() - start) * 1e-9;
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }

  /** The default model of {@code reformer benchmark}. */
  private static ReformerConfig config(int tokens, ResidualArithmetic arithmetic) {
    return ReformerConfig.builder()
        .hiddenSize(256)
        .numAttentionHeads(4)
        .attentionHeadSize(64)
        .feedForwardSize(1024)
        .vocabSize(256)
        .isDecoder(true)
        .axialPosEmbds(false)
        .maxPositionEmbeddings(tokens)
        .numHashes(2)
        .residualArithmetic(arithmetic)
        .hiddenDropoutProb(0)
        .localAttentionProbsDropoutProb(0)
        .lshAttentionProbsDropoutProb(0)
        .build();
  }
}
