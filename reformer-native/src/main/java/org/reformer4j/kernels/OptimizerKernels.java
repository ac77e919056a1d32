package org.reformer4j.kernels;

import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** Updates of parameters, and the norm of their gradients. */
final class OptimizerKernels {
  /** Bytes in front of a workspace for a result, so that what follows is aligned. */
  private static final int RESULT_BYTES = 16;

  private final Device device;
  private final DeviceMemory memory;
  private final Transfers transfers;

  OptimizerKernels(Device device, DeviceMemory memory, Transfers transfers) {
    this.device = device;
    this.memory = memory;
    this.transfers = transfers;
  }

  double sumOfSquares(Tensor x) {
    String op = "sumOfSquares";
    TrainingArguments.sumOfSquares(x);
    long from = memory.address(x);
    long sum =
        memory.workspace(
            RESULT_BYTES + device.kernels().rf_sum_of_squares_workspace(x.rows(), x.columns()));
    device.check(
        op,
        x,
        device
            .kernels()
            .rf_sum_of_squares(
                device.context(),
                sum,
                from,
                x.rowStride(),
                x.rows(),
                x.columns(),
                sum + RESULT_BYTES));
    return transfers.downloadDouble(op, sum);
  }

  void adamW(Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWSpec spec) {
    TrainingArguments.adamW(parameter, gradient, first, second);
    device.check(
        "adamW",
        parameter,
        device
            .kernels()
            .rf_adam_w(
                device.context(),
                memory.address(parameter),
                memory.address(gradient),
                memory.address(first),
                memory.address(second),
                parameter.elements(),
                spec.rate(),
                spec.keep(),
                1 - spec.beta1(),
                1 - spec.beta2(),
                spec.rootCorrection(),
                spec.epsilon(),
                spec.gradientScale()));
  }

  void adafactor(
      Tensor parameter,
      Tensor gradient,
      Tensor rowMoments,
      Tensor columnMoments,
      AdafactorSpec spec) {
    TrainingArguments.adafactor(parameter, gradient, rowMoments, columnMoments);
    boolean factored = columnMoments != null;
    long rows = factored ? parameter.rows() : parameter.elements();
    long columns = factored ? parameter.columns() : 1;
    long toParameter = memory.address(parameter);
    long from = memory.address(gradient);
    long toRows = memory.address(rowMoments);
    long toColumns = memory.addressOrNull(columnMoments);
    long workspace = memory.workspace(device.kernels().rf_adafactor_workspace(rows, columns));
    device.check(
        "adafactor",
        parameter,
        device
            .kernels()
            .rf_adafactor(
                device.context(),
                toParameter,
                from,
                toRows,
                toColumns,
                rows,
                columns,
                spec.learningRate(),
                spec.decay(),
                spec.epsilon(),
                spec.minimumScale(),
                spec.clip(),
                spec.weightDecay(),
                spec.gradientScale(),
                workspace));
  }
}
