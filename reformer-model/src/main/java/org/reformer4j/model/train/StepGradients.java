package org.reformer4j.model.train;

import org.reformer4j.api.Backend;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.Windows;

/**
 * Loss and gradients of a step, a function of the parameters and the step's number alone: the
 * number gives the windows of the text and the pass numbers, and those all dropout and rotations.
 */
final class StepGradients {
  private final ReformerModel model;
  private final Backend backend;
  private final Windows windows;
  private final BatchShape shape;
  private final long seed;
  private final MemoryPolicy memory;

  /**
   * Prepares the passes.
   *
   * @param model has gradients
   * @param windows give T + 1 ids each
   * @param options batch, seed and memory policy
   */
  StepGradients(ReformerModel model, Windows windows, TrainingOptions options) {
    this.model = model;
    this.backend = model.backend();
    this.windows = windows;
    this.shape = options.batch();
    this.seed = options.seed();
    this.memory = options.memory();
  }

  /**
   * Sets the gradients to those of a step, the mean over its batches, and returns the mean loss.
   *
   * @throws NonFiniteLossException if a loss is not finite
   */
  double compute(long step) {
    int accumulation = shape.accumulation();
    model.parameters().zeroGradients(backend);
    double sum = 0;
    for (int i = 0; i < accumulation; i++) {
      long pass = (step - 1) * accumulation + i;
      Batch batch = batch(pass);
      CallOptions call = CallOptions.training(seed, pass).withMemory(memory);
      double loss = model.lossAndGradients(batch, call, 1f / accumulation);
      if (!Double.isFinite(loss)) {
        String layer = NonFiniteSearch.firstLayer(model, batch, call);
        throw new NonFiniteLossException(step, layer, "the loss");
      }
      sum += loss;
    }
    return sum / accumulation;
  }

  /**
   * Returns the global norm of the gradients.
   *
   * @param step named if it fails
   * @throws NonFiniteLossException if it is not finite
   */
  double norm(long step) {
    double squares = 0;
    for (Parameter parameter : model.parameters().all()) {
      double own = backend.sumOfSquares(parameter.gradient());
      if (!Double.isFinite(own)) {
        throw new NonFiniteLossException(step, parameter.name(), "the gradient");
      }
      squares += own;
    }
    return Math.sqrt(squares);
  }

  /** Returns the seconds of a pass; leaves numbers in the gradients that the next step zeroes. */
  double secondsOfOnePass() {
    Batch batch = batch(0);
    long start = System.nanoTime();
    model.lossAndGradients(batch, CallOptions.training(seed, 0).withMemory(memory), 0f);
    backend.synchronize();
    return (System.nanoTime() - start) * 1e-9;
  }

  private Batch batch(long pass) {
    int sequences = shape.sequences();
    int context = shape.contextLength();
    int[] ids = new int[Math.multiplyExact(sequences, context)];
    int[] targets = new int[ids.length];
    int[] window = new int[context + 1];
    for (int i = 0; i < sequences; i++) {
      windows.copy(pass * sequences + i, window, 0);
      System.arraycopy(window, 0, ids, i * context, context);
      System.arraycopy(window, 1, targets, i * context, context);
    }
    return Batch.of(ids, context).withTargets(targets);
  }
}
