package org.reformer4j.reference;

import org.reformer4j.api.Activation;
import org.reformer4j.api.DType;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** out = act(dropout(x W1^T + b1)) W2^T, a chunk of rows at a time. */
final class FeedForward {
  private FeedForward() {}

  static void forward(
      ReferenceBackend backend,
      Tensor out,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2,
      FeedForwardSpec spec) {
    KernelArguments.F32.feedForward(out, x, w1, b1, w2);
    int rows = (int) x.rows();
    int chunk = Math.min(spec.chunkRows(), rows);
    try (TensorScope scope = backend.scope("feedForward")) {
      Tensor block = scope.allocate(DType.F32, chunk, w1.rows());
      for (int from = 0; from < rows; from += chunk) {
        int count = Math.min(chunk, rows - from);
        Tensor hidden = block.rows(0, count);
        Gemm.run(backend.workers(), hidden, x.rows(from, count), false, w1, true, 1f, 0f);
        activate(backend.workers(), hidden, null, b1, from, spec);
        Gemm.run(backend.workers(), out.rows(from, count), hidden, false, w2, true, 1f, 0f);
      }
    }
  }

  static void backward(
      ReferenceBackend backend,
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
    KernelArguments.F32.feedForwardBackward(out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2);
    Workers workers = backend.workers();
    int rows = (int) x.rows();
    int chunk = Math.min(spec.chunkRows(), rows);
    try (TensorScope scope = backend.scope(op)) {
      Tensor hiddenBlock = scope.allocate(DType.F32, chunk, w1.rows());
      Tensor slopeBlock = scope.allocate(DType.F32, chunk, w1.rows());
      Tensor gradientBlock = scope.allocate(DType.F32, chunk, w1.rows());
      for (int from = 0; from < rows; from += chunk) {
        int count = Math.min(chunk, rows - from);
        Tensor hidden = hiddenBlock.rows(0, count);
        Tensor slope = slopeBlock.rows(0, count);
        Tensor dHidden = gradientBlock.rows(0, count);
        Tensor dOutRows = dOut.rows(from, count);
        Tensor xRows = x.rows(from, count);
        Gemm.run(workers, hidden, xRows, false, w1, true, 1f, 0f);
        activate(workers, hidden, slope, b1, from, spec);
        Gemm.run(workers, dW2, dOutRows, true, hidden, false, 1f, 1f);
        Gemm.run(workers, dHidden, dOutRows, false, w2, false, 1f, 0f);
        multiply(workers, dHidden, slope);
        Residual.biasGradient(workers, dB1, dHidden);
        Gemm.run(workers, dW1, dHidden, true, xRows, false, 1f, 1f);
        // Last, as out may share memory with dOut, and dX with x.
        if (out != null) {
          Gemm.run(workers, out.rows(from, count), hidden, false, w2, true, 1f, 0f);
        }
        Gemm.run(workers, dX.rows(from, count), dHidden, false, w1, false, 1f, 0f);
      }
    }
  }

  /** hidden = act(u), slope = act'(u) * factor, with u = factor * (hidden + bias). */
  private static void activate(
      Workers workers,
      Tensor hidden,
      Tensor slope,
      Tensor bias,
      int firstRow,
      FeedForwardSpec spec) {
    FloatRows h = FloatRows.of(hidden);
    FloatRows s = FloatRows.orNull(slope);
    FloatRows shift = FloatRows.of(bias);
    Activation activation = spec.activation();
    workers.forRange(
        h.rows,
        4,
        (from, to) -> {
          float[] factors = new float[h.columns];
          for (int i = from; i < to; i++) {
            Residual.factors(factors, spec.dropout(), firstRow + i, h.columns);
            int at = h.at(i);
            for (int j = 0; j < h.columns; j++) {
              float u = (h.data[at + j] + shift.data[shift.at(0) + j]) * factors[j];
              if (s != null) {
                s.data[s.at(i) + j] = Activations.slope(activation, u) * factors[j];
              }
              h.data[at + j] = Activations.value(activation, u);
            }
          }
        });
  }

  private static void multiply(Workers workers, Tensor target, Tensor factor) {
    FloatRows t = FloatRows.of(target);
    FloatRows f = FloatRows.of(factor);
    workers.forRange(
        t.rows,
        16,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            for (int j = 0; j < t.columns; j++) {
              t.data[t.at(i) + j] *= f.data[f.at(i) + j];
            }
          }
        });
  }
}
