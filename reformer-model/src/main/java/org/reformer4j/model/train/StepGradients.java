package org.reformer4j.model.train;

import org.reformer4j.api.Backend;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;

/**
 * Loss and gradients of a step, a function of the parameters and the step's number alone: the
 * number gives the passes, and those the data, all dropout and rotations.
 */
final class StepGradients {
  private final ReformerModel model;
  private final Backend backend;
  private final TrainingData data;
  private final BatchShape shape;
  private final long seed;
  private final MemoryPolicy memory;
  private long tokens;

  /**
   * Prepares the passes.
   *
   * @param model has gradients
   * @param data give the batches
   * @param options batch, seed and memory policy
   */
  StepGradients(ReformerModel model, TrainingData data, TrainingOptions options) {
    this.model = model;
    this.backend = model.backend();
    this.data = data;
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
    tokens = 0;
    for (int i = 0; i < accumulation; i++) {
      long pass = (step - 1) * accumulation + i;
      Batch batch = data.batch(pass);
      CallOptions call = CallOptions.training(seed, pass).withMemory(memory);
      double loss = model.lossAndGradients(batch, call, 1f / accumulation);
      if (!Double.isFinite(loss)) {
        String layer = NonFiniteSearch.firstLayer(model, batch, call);
        throw new NonFiniteLossException(step, layer, "the loss");
      }
      sum += loss;
      tokens += batch.tokenCount();
    }
    return sum / accumulation;
  }

  /** Returns the tokens of the last step. */
  long tokens() {
    return tokens;
  }

  /**
   * Returns the global norm of the gradients.
   *
   * @param step named if it fails
   * @throws NonFiniteLossException if it is not finite
   */
  double norm(long step) {
    double squares = backend.sumOfSquares(model.parameters().gradients().all());
    if (!Double.isFinite(squares)) {
      throw new NonFiniteLossException(step, nonFinite(), "the gradient");
    }
    return Math.sqrt(squares);
  }

  /** Returns the first parameter whose gradient is not finite. */
  private String nonFinite() {
    for (Parameter parameter : model.parameters().all()) {
      if (!Double.isFinite(backend.sumOfSquares(parameter.gradient()))) {
        return parameter.name();
      }
    }
    throw new IllegalStateException("the sum of finite squares is not finite");
  }

  /** Returns the seconds of a pass; leaves numbers in the gradients that the next step zeroes. */
  double secondsOfOnePass() {
    Batch batch = data.batch(0);
    long start = System.nanoTime();
    model.lossAndGradients(batch, CallOptions.training(seed, 0).withMemory(memory), 0f);
    backend.synchronize();
    return (System.nanoTime() - start) * 1e-9;
  }
}
