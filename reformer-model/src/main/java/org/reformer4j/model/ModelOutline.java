package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.model.MemoryPlan.KeptBytes;

/** What a model of a config consists of and what its training takes, without making it. */
public final class ModelOutline {
  private final ReformerConfig config;
  private final ParameterSet parameters = new ParameterSet();

  /**
   * Declares the parameters of {@link ReformerModel}.
   *
   * @param config its shape
   * @param task which head there is
   */
  public ModelOutline(ReformerConfig config, Task task) {
    this.config = config;
    new Encoder(config, parameters).head(task, parameters);
  }

  /** Returns the parameters, which have names and shapes but no values. */
  public ParameterSet parameters() {
    return parameters;
  }

  /**
   * Returns what a training step takes besides parameters, their gradients and the optimizer's
   * state: an estimate from the config alone, the one that {@link MemoryPolicy#AUTO} goes by.
   *
   * @param batch sequences B
   * @param length tokens T of each
   * @param policy what the layers keep
   * @param precision in what the model computes
   * @throws IllegalArgumentException if the policy is AUTO, which depends on the device
   */
  public long stepBytes(int batch, int length, MemoryPolicy policy, Precision precision) {
    int[] lengths = new int[batch];
    int[] slots = new int[batch];
    Arrays.fill(lengths, length);
    Arrays.fill(slots, Passes.paddedLength(config, length));
    HashSpec hash = config.hash(config.numHashes(), slots[0]);
    KeptBytes size =
        new KeptBytes(config, Sequences.of(length, lengths, slots), hash, precision.activations());
    return size.step(policy == MemoryPolicy.RECOMPUTE)
        + MemoryPlan.uniform(config.numHiddenLayers(), policy).bytes(size);
  }
}
