package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.train.Optimizer;
import org.reformer4j.model.train.OptimizerOptions;

/** Whole training steps of a model on random tokens: loss, gradients, their norm, AdamW. */
final class BenchmarkTraining implements AutoCloseable {
  private static final float RATE = 1e-4f;

  private final ReformerModel model;
  private final MemoryPolicy policy;
  private final Backend backend;
  private final TensorScope scope;
  private final Optimizer optimizer;
  private long step;

  BenchmarkTraining(ReformerModel model, MemoryPolicy policy) {
    this.model = model;
    this.policy = policy;
    this.backend = model.backend();
    model.enableTraining();
    this.scope = backend.scope("optimizer");
    this.optimizer = Optimizer.create(OptimizerOptions.adamW(), model.parameters(), scope, backend);
  }

  /** Does a step and waits for it. */
  void step(Batch batch, int rounds) {
    model.parameters().zeroGradients(backend);
    CallOptions options = CallOptions.training(0, step).withNumHashes(rounds).withMemory(policy);
    model.lossAndGradients(batch, options, 1f);
    double norm = Math.sqrt(backend.sumOfSquares(model.parameters().gradients().all()));
    step++;
    optimizer.step(RATE, step, norm > 1 ? (float) (1 / norm) : 1f);
    backend.synchronize();
  }

  /** Returns whether everything is recomputed, as the counted operations assume. */
  boolean recomputes() {
    return policy == MemoryPolicy.RECOMPUTE;
  }

  @Override
  public void close() {
    scope.close();
  }

  /** Returns random tokens that predict each other. */
  static Batch batch(int sequences, int length, int vocabulary) {
    int[] ids = new Random(7).ints((long) sequences * length, 0, vocabulary).toArray();
    return Batch.of(ids, length).withCausalLabels(ids);
  }

  static void put(ObjectNode entry, BenchmarkTimer.Timing timing) {
    entry.put("seconds", timing.seconds());
    entry.put("seconds_fastest", timing.fastest());
    entry.put("seconds_slowest", timing.slowest());
    entry.put("repeats", timing.repeats());
    entry.put("warm", timing.warm());
  }
}
