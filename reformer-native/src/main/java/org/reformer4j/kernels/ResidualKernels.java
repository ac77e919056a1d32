package org.reformer4j.kernels;

import org.reformer4j.api.Dropout;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Philox;
import org.reformer4j.api.Tensor;

/** The reversible residual step, its gradient, and the elementwise pieces of it. */
final class ResidualKernels {
  private final Device device;
  private final DeviceMemory memory;
  private final StreamRange range;

  ResidualKernels(Device device, DeviceMemory memory, StreamRange range) {
    this.device = device;
    this.memory = memory;
    this.range = range;
  }

  void residual(Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout) {
    String op = "residual";
    device.arguments().residual(acc, y, bias, sign);
    forward(op, Rows.NONE, acc, rows(y), bias, sign, dropout, null, null, 0);
  }

  void residualNorm(
      Tensor out,
      Tensor acc,
      Tensor y,
      Tensor bias,
      int sign,
      Dropout dropout,
      Tensor gain,
      Tensor normBias,
      float epsilon) {
    String op = "residualNorm";
    device.arguments().residualNorm(out, acc, y, bias, sign, gain, normBias);
    forward(op, rows(out), acc, rows(y), bias, sign, dropout, gain, normBias, epsilon);
  }

  void layerNorm(Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon) {
    String op = "layerNorm";
    device.arguments().layerNorm(out, x, gain, bias);
    forward(op, rows(out), x, Rows.NONE, null, 1, Dropout.NONE, gain, bias, epsilon);
  }

  void layerNormBackward(
      Tensor dX, Tensor dGain, Tensor dBias, Tensor dOut, Tensor x, Tensor gain, float epsilon) {
    String op = "layerNormBackward";
    device.arguments().layerNormBackward(dX, dGain, dBias, dOut, x, gain);
    long toDx = memory.address(dX);
    long toDout = memory.address(dOut);
    long workspace =
        memory.workspace(device.kernels().rf_layer_norm_backward_workspace(x.rows(), x.columns()));
    device.check(
        op,
        x,
        device
            .kernels()
            .rf_layer_norm_backward(
                device.context(),
                toDx,
                dX.rowStride(),
                memory.address(dGain),
                memory.address(dBias),
                toDout,
                dOut.rowStride(),
                ElementTypes.code(dOut),
                memory.address(x),
                x.rowStride(),
                ElementTypes.code(x),
                memory.address(gain),
                epsilon,
                x.rows(),
                x.columns(),
                workspace));
  }

  void residualBackward(Tensor dY, Tensor dBias, Tensor dAcc, Dropout dropout) {
    String op = "residualBackward";
    device.arguments().residualBackward(dY, dBias, dAcc);
    backward(op, null, rows(dY), dBias, Rows.NONE, null, dAcc, rows(dAcc), dropout);
  }

  void residualInverse(
      Tensor acc, Tensor dY, Tensor dBias, Tensor y, Tensor bias, Tensor dAcc, Dropout dropout) {
    String op = "residualInverse";
    device.arguments().residualInverse(acc, dY, dBias, y, bias, dAcc);
    backward(op, acc, rows(dY), dBias, rows(y), bias, dAcc, rows(dAcc), dropout);
  }

  /** x + bias is a residual step whose y is the same row everywhere. */
  void addBias(Tensor x, Tensor bias) {
    String op = "addBias";
    KernelArguments.addBias(x, bias);
    Rows same = new Rows(memory.address(bias), 0, ElementTypes.code(bias));
    forward(op, Rows.NONE, x, same, null, 1, Dropout.NONE, null, null, 0);
  }

  void biasGradient(Tensor dBias, Tensor dX) {
    String op = "biasGradient";
    KernelArguments.biasGradient(dBias, dX);
    backward(op, null, Rows.NONE, dBias, Rows.NONE, null, dX, rows(dX), Dropout.NONE);
  }

  /** Multiplying by the mask is the gradient of a residual step. */
  void dropout(Tensor x, Dropout dropout) {
    String op = "dropout";
    KernelArguments.dropout(x);
    if (!dropout.isNone()) {
      backward(op, null, rows(x), null, Rows.NONE, null, x, rows(x), dropout);
    }
  }

  /** Rounding is the gradient of a residual step without dropout. */
  void round(Tensor target, Tensor source) {
    String op = "round";
    KernelArguments.round(target, source);
    backward(op, null, rows(target), null, Rows.NONE, null, source, rows(source), Dropout.NONE);
  }

  private void forward(
      String op,
      Rows out,
      Tensor acc,
      Rows y,
      Tensor bias,
      int sign,
      Dropout dropout,
      Tensor gain,
      Tensor normBias,
      float epsilon) {
    Rows stream = rows(acc);
    int status =
        device
            .kernels()
            .rf_residual_norm(
                device.context(),
                out.address(),
                out.stride(),
                out.type(),
                stream.address(),
                stream.stride(),
                stream.type(),
                y.address(),
                y.stride(),
                y.type(),
                memory.addressOrNull(bias),
                memory.addressOrNull(gain),
                memory.addressOrNull(normBias),
                epsilon,
                sign,
                acc.rows(),
                acc.columns(),
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                dropout.firstRow(),
                y.address() == 0 ? 0 : range.flag(op, acc));
    device.check(op, acc, status);
  }

  /** The gradient; acc and y are absent where nothing is recomputed. */
  private void backward(
      String op,
      Tensor acc,
      Rows dY,
      Tensor dBias,
      Rows y,
      Tensor bias,
      Tensor shape,
      Rows dAcc,
      Dropout dropout) {
    Rows stream = acc == null ? Rows.NONE : rows(acc);
    long toBias = memory.addressOrNull(dBias);
    long workspace =
        memory.workspace(
            device.kernels().rf_residual_backward_workspace(shape.rows(), shape.columns()));
    int status =
        device
            .kernels()
            .rf_residual_backward(
                device.context(),
                stream.address(),
                stream.stride(),
                stream.type(),
                dY.address(),
                dY.stride(),
                dY.type(),
                toBias,
                y.address(),
                y.stride(),
                y.type(),
                memory.addressOrNull(bias),
                dAcc.address(),
                dAcc.stride(),
                shape.rows(),
                shape.columns(),
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                dropout.firstRow(),
                range.flag(op, acc),
                workspace);
    device.check(op, shape, status);
  }

  /** The last word of the Philox counter. */
  static int counter(Philox.Stream stream) {
    return stream.layer() << 8 | stream.purpose().ordinal();
  }

  private Rows rows(Tensor tensor) {
    return Rows.of(memory, tensor);
  }
}
