package org.reformer4j.kernels;

import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** The loss of a chunk of rows, with its gradient. */
final class LossKernels {
  private final Device device;
  private final DeviceMemory memory;
  private final IndexCheck indices;

  LossKernels(Device device, DeviceMemory memory, IndexCheck indices) {
    this.device = device;
    this.memory = memory;
    this.indices = indices;
  }

  void crossEntropy(
      Tensor loss, Tensor dLogits, Tensor logits, Tensor targets, int ignoreIndex, float scale) {
    String op = "crossEntropy";
    TrainingArguments.crossEntropy(loss, dLogits, logits, targets);
    long toLoss = memory.address(loss);
    Rows gradient = dLogits == null ? Rows.NONE : Rows.of(memory, dLogits);
    Rows x = Rows.of(memory, logits);
    long labels = memory.readOnly(targets);
    indices.targets(op, targets, logits.columns(), ignoreIndex);
    device.check(
        op,
        logits,
        device
            .kernels()
            .rf_cross_entropy(
                device.context(),
                toLoss,
                gradient.address(),
                gradient.stride(),
                x.address(),
                x.stride(),
                labels,
                ignoreIndex,
                scale,
                logits.rows(),
                logits.columns()));
  }
}
