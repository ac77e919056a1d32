package org.reformer4j.kernels;

import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Tensor;

/** The feed-forward by the CPU library: products and activation while rows are in the cache. */
final class CpuFeedForward implements FeedForwards {
  private final Device device;
  private final DeviceMemory memory;

  CpuFeedForward(Device device, DeviceMemory memory) {
    this.device = device;
    this.memory = memory;
  }

  @Override
  public void feedForward(
      Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec) {
    device.arguments().feedForward(out, x, w1, b1, w2);
    Rows toOut = Rows.of(memory, out);
    Rows fromX = Rows.of(memory, x);
    Rows first = Rows.of(memory, w1);
    Rows second = Rows.of(memory, w2);
    long bias = memory.address(b1);
    Dropout dropout = spec.dropout();
    long bytes =
        device
            .kernels()
            .rf_feed_forward_workspace(device.context(), x.columns(), w1.rows(), fromX.type());
    long workspace = memory.workspace(bytes);
    int status =
        device
            .kernels()
            .rf_feed_forward(
                device.context(),
                toOut.address(),
                toOut.stride(),
                toOut.type(),
                fromX.address(),
                fromX.stride(),
                first.address(),
                first.stride(),
                bias,
                second.address(),
                second.stride(),
                fromX.type(),
                FeedForwardKernels.code(spec.activation()),
                x.rows(),
                x.columns(),
                w1.rows(),
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                dropout.firstRow(),
                workspace);
    device.check("feedForward", x, status);
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
    device.arguments().feedForwardBackward(out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2);
    Rows toOut = out == null ? Rows.NONE : Rows.of(memory, out);
    Rows toX = Rows.of(memory, dX);
    Rows toFirst = Rows.of(memory, dW1);
    Rows toSecond = Rows.of(memory, dW2);
    Rows gradient = Rows.of(memory, dOut);
    Rows fromX = Rows.of(memory, x);
    Rows first = Rows.of(memory, w1);
    Rows second = Rows.of(memory, w2);
    long toBias = memory.address(dB1);
    long bias = memory.address(b1);
    Dropout dropout = spec.dropout();
    long chunk = Math.max(1, Math.min(spec.chunkRows(), x.rows()));
    long bytes =
        device
            .kernels()
            .rf_feed_forward_backward_workspace(
                device.context(), chunk, x.columns(), w1.rows(), fromX.type());
    long workspace = memory.workspace(bytes);
    int status =
        device
            .kernels()
            .rf_feed_forward_backward(
                device.context(),
                toOut.address(),
                toOut.stride(),
                toOut.type(),
                toX.address(),
                toX.stride(),
                toX.type(),
                toFirst.address(),
                toFirst.stride(),
                toBias,
                toSecond.address(),
                toSecond.stride(),
                gradient.address(),
                gradient.stride(),
                fromX.address(),
                fromX.stride(),
                first.address(),
                first.stride(),
                bias,
                second.address(),
                second.stride(),
                fromX.type(),
                FeedForwardKernels.code(spec.activation()),
                x.rows(),
                x.columns(),
                w1.rows(),
                chunk,
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                dropout.firstRow(),
                workspace);
    device.check("feedForwardBackward", x, status);
  }
}
