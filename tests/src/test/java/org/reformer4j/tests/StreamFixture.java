package org.reformer4j.tests;

import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** A residual stream, a branch's output and parameters on one backend, in views with gaps. */
final class StreamFixture implements AutoCloseable {
  static final int ROWS = 53;
  static final int WIDTH = 37;

  final Backend backend;
  final TensorScope scope;
  final Random random = new Random(31);
  final Tensor acc;
  final Tensor y;
  final Tensor bias;
  final Tensor gain;
  final Tensor normBias;

  StreamFixture(String name, DType type) {
    backend = TestBackends.open(name);
    scope = backend.scope("test");
    acc = reals(type, 3, ROWS, WIDTH);
    y = reals(DType.F32, 1, ROWS, WIDTH);
    bias = reals(DType.F32, 1, WIDTH);
    gain = reals(DType.F32, 1, WIDTH);
    normBias = reals(DType.F32, 1, WIDTH);
  }

  Tensor reals(DType type, float scale, long... dims) {
    Tensor tensor =
        dims.length == 1
            ? scope.allocate(type, dims)
            : scope.allocate(type, dims[0], dims[1] + 5).columns(2, dims[1]);
    float[] values = new float[(int) tensor.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (float) random.nextGaussian();
    }
    backend.upload(tensor, values);
    return tensor;
  }

  Tensor copy(Tensor tensor) {
    Tensor copy = scope.allocate(tensor.type(), tensor.shape().dims());
    backend.copy(copy, tensor);
    return copy;
  }

  int[] bits(Tensor tensor) {
    if (tensor.type() == DType.FIXED) {
      return backend.downloadInts(tensor);
    }
    float[] values = backend.download(tensor);
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToIntBits(values[i]);
    }
    return bits;
  }

  @Override
  public void close() {
    scope.close();
    backend.close();
  }
}
