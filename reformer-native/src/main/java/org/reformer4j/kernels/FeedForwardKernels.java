package org.reformer4j.kernels;

import org.reformer4j.api.Activation;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * out = act(dropout(x W1^T + b1)) W2^T, a chunk of rows at a time: products, and one kernel between
 * them. Results that are added to are the sums of the chunks, in their order.
 */
final class FeedForwardKernels implements FeedForwards {
  private final Device device;
  private final DeviceMemory memory;
  private final Products products;

  FeedForwardKernels(Device device, DeviceMemory memory, Products products) {
    this.device = device;
    this.memory = memory;
    this.products = products;
  }

  @Override
  public void feedForward(
      Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec) {
    String op = "feedForward";
    device.arguments().feedForward(out, x, w1, b1, w2);
    requireOwn(out, x, w1, b1, w2);
    if (x.rows() == 0) {
      return;
    }
    long chunk = Math.min(spec.chunkRows(), x.rows());
    try (TensorScope scope = new TensorScope(op, memory)) {
      Tensor sumBlock = scope.allocate(DType.F32, chunk, w1.rows());
      Tensor hiddenBlock = sameOr(scope, x.type(), sumBlock);
      for (long from = 0; from < x.rows(); from += chunk) {
        long count = Math.min(chunk, x.rows() - from);
        Tensor sums = sumBlock.rows(0, count);
        Tensor hidden = hiddenBlock.rows(0, count);
        products.gemm(sums, x.rows(from, count), false, w1, true, 1f, 0f);
        activate(op, hidden, null, sums, b1, from, spec);
        products.gemm(out.rows(from, count), hidden, false, w2, true, 1f, 0f);
      }
    }
  }

  @Override
  public void feedForwardBackward(
      Tensor out,
      Tensor dX,
      Tensor dW1,
      Tensor dB1,
      Tensor dW2,
      Tensor dOut,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2,
      FeedForwardSpec spec) {
    String op = "feedForwardBackward";
    device.arguments().feedForwardBackward(out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2);
    memory.addressOrNull(out);
    requireOwn(dX, dW1, dB1, dW2, dOut, x, w1, b1, w2);
    if (x.rows() == 0) {
      return;
    }
    long chunk = Math.min(spec.chunkRows(), x.rows());
    try (TensorScope scope = new TensorScope(op, memory)) {
      Tensor sumBlock = scope.allocate(DType.F32, chunk, w1.rows());
      Tensor slopeBlock = scope.allocate(DType.F32, chunk, w1.rows());
      Tensor hiddenBlock = sameOr(scope, x.type(), sumBlock);
      // Where hidden values have a block of their own, the sums are no longer needed.
      Tensor gradientBlock =
          hiddenBlock == sumBlock ? scope.allocate(DType.F32, chunk, w1.rows()) : sumBlock;
      Tensor dSumBlock = sameOr(scope, x.type(), gradientBlock);
      for (long from = 0; from < x.rows(); from += chunk) {
        long count = Math.min(chunk, x.rows() - from);
        Tensor sums = sumBlock.rows(0, count);
        Tensor slope = slopeBlock.rows(0, count);
        Tensor hidden = hiddenBlock.rows(0, count);
        Tensor dHidden = gradientBlock.rows(0, count);
        Tensor dSums = dSumBlock.rows(0, count);
        Tensor xRows = x.rows(from, count);
        Tensor dOutRows = dOut.rows(from, count);
        products.gemm(sums, xRows, false, w1, true, 1f, 0f);
        activate(op, hidden, slope, sums, b1, from, spec);
        products.gemm(dW2, dOutRows, true, hidden, false, 1f, 1f);
        products.gemm(dHidden, dOutRows, false, w2, false, 1f, 0f);
        activateBackward(op, dSums, dB1, dHidden, slope);
        products.gemm(dW1, dSums, true, xRows, false, 1f, 1f);
        // Last, as out may share memory with dOut, and dX with x.
        if (out != null) {
          products.gemm(out.rows(from, count), hidden, false, w2, true, 1f, 0f);
        }
        products.gemm(dX.rows(from, count), dSums, false, w1, false, 1f, 0f);
      }
    }
  }

  /** Returns the block itself where it is of the type, else one like it of that type. */
  private static Tensor sameOr(TensorScope scope, DType type, Tensor block) {
    return block.type() == type ? block : scope.allocate(type, block.rows(), block.columns());
  }

  /** Refuses tensors that were freed or belong to another backend, before anything is written. */
  private void requireOwn(Tensor... tensors) {
    for (Tensor tensor : tensors) {
      memory.address(tensor);
    }
  }

  private void activate(
      String op,
      Tensor hidden,
      Tensor slope,
      Tensor sums,
      Tensor bias,
      long firstRow,
      FeedForwardSpec spec) {
    Rows to = Rows.of(memory, hidden);
    Rows toSlope = slope == null ? Rows.NONE : Rows.of(memory, slope);
    Rows from = Rows.of(memory, sums);
    Dropout dropout = spec.dropout();
    int status =
        device
            .kernels()
            .rf_activation(
                device.context(),
                to.address(),
                to.stride(),
                to.type(),
                toSlope.address(),
                toSlope.stride(),
                from.address(),
                from.stride(),
                memory.address(bias),
                code(spec.activation()),
                sums.rows(),
                sums.columns(),
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                firstRow);
    device.check(op, sums.toString(), status);
  }

  private void activateBackward(
      String op, Tensor dSums, Tensor dBias, Tensor dHidden, Tensor slope) {
    Rows to = Rows.of(memory, dSums);
    Rows from = Rows.of(memory, dHidden);
    long workspace =
        memory.workspace(
            device.kernels().rf_activation_backward_workspace(dHidden.rows(), dHidden.columns()));
    int status =
        device
            .kernels()
            .rf_activation_backward(
                device.context(),
                to.address(),
                to.stride(),
                to.type(),
                memory.address(dBias),
                from.address(),
                from.stride(),
                memory.address(slope),
                slope.rowStride(),
                dHidden.rows(),
                dHidden.columns(),
                workspace);
    device.check(op, dHidden.toString(), status);
  }

  /** Activations as the kernel library numbers them: enum rf_function. */
  static int code(Activation activation) {
    return switch (activation) {
      case RELU -> 0;
      case GELU -> 1;
      case GELU_NEW -> 2;
      case SILU -> 3;
      case TANH -> 4;
    };
  }
}
