package org.reformer4j.kernels;

import org.reformer4j.api.Activation;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * out = act(dropout(x W1^T + b1)) W2^T, a chunk of rows at a time: products, and one kernel between
 * them, which takes as many rows as lie in the device's cache. Results that are added to are the
 * sums of the chunks, in their order.
 */
final class FeedForwardKernels implements FeedForwards {
  /** Rows of a tile of a matrix product: pieces are whole ones. */
  private static final long TILE_ROWS = 128;

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
      Tensor hiddenBlock = scope.allocate(x.type(), chunk, w1.rows());
      long piece = pieceRows(hiddenBlock);
      Tensor sumBlock = floats(scope, hiddenBlock, piece);
      for (long from = 0; from < x.rows(); from += chunk) {
        long count = Math.min(chunk, x.rows() - from);
        Tensor hidden = hiddenBlock.rows(0, count);
        for (long at = 0; at < count; at += piece) {
          long rows = Math.min(piece, count - at);
          Tensor part = hidden.rows(at, rows);
          Tensor sums = sumBlock == null ? part : sumBlock.rows(0, rows);
          products.gemm(sums, x.rows(from + at, rows), false, w1, true, 1f, 0f);
          activate(op, part, null, sums, b1, from + at, spec);
        }
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
      Tensor hiddenBlock = scope.allocate(x.type(), chunk, w1.rows());
      Tensor dSumBlock = scope.allocate(x.type(), chunk, w1.rows());
      long piece = pieceRows(hiddenBlock);
      Tensor slopeBlock = scope.allocate(DType.F32, piece, w1.rows());
      // First of the sums, then of the gradient of the hidden values.
      Tensor sumBlock = floats(scope, hiddenBlock, piece);
      for (long from = 0; from < x.rows(); from += chunk) {
        long count = Math.min(chunk, x.rows() - from);
        Tensor hidden = hiddenBlock.rows(0, count);
        Tensor dSums = dSumBlock.rows(0, count);
        Tensor xRows = x.rows(from, count);
        Tensor dOutRows = dOut.rows(from, count);
        for (long at = 0; at < count; at += piece) {
          long rows = Math.min(piece, count - at);
          Tensor part = hidden.rows(at, rows);
          Tensor dPart = dSums.rows(at, rows);
          Tensor slope = slopeBlock.rows(0, rows);
          Tensor sums = sumBlock == null ? part : sumBlock.rows(0, rows);
          Tensor dHidden = sumBlock == null ? dPart : sums;
          products.gemm(sums, xRows.rows(at, rows), false, w1, true, 1f, 0f);
          activate(op, part, slope, sums, b1, from + at, spec);
          products.gemm(dHidden, dOutRows.rows(at, rows), false, w2, false, 1f, 0f);
          activateBackward(op, dPart, dB1, dHidden, slope);
        }
        products.gemm(dW2, dOutRows, true, hidden, false, 1f, 1f);
        products.gemm(dW1, dSums, true, xRows, false, 1f, 1f);
        // Last, as out may share memory with dOut, and dX with x.
        if (out != null) {
          products.gemm(out.rows(from, count), hidden, false, w2, true, 1f, 0f);
        }
        products.gemm(dX.rows(from, count), dSums, false, w1, false, 1f, 0f);
      }
    }
  }

  /**
   * Returns how many rows of a chunk are taken at a time between the products, so that their floats
   * and hidden values lie in half of the device's cache; the other half is for the weights. The
   * same forward and backward: the way of computing a product depends on its shape.
   */
  private long pieceRows(Tensor hidden) {
    long row = hidden.columns() * (Float.BYTES + hidden.type().bytes());
    long fitting = device.cacheBytes() / 2 / Math.max(1, row) / TILE_ROWS * TILE_ROWS;
    return Math.min(hidden.rows(), Math.max(TILE_ROWS, fitting));
  }

  /** Returns a block for float sums of a piece, or null where the hidden values are floats. */
  private static Tensor floats(TensorScope scope, Tensor hidden, long piece) {
    return hidden.type() == DType.F32 ? null : scope.allocate(DType.F32, piece, hidden.columns());
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
    Dropout dropout = spec.dropout().from(firstRow);
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
                dropout.firstRow());
    device.check(op, sums, status);
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
    device.check(op, dHidden, status);
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
