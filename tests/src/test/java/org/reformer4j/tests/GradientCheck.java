package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * One operation on one backend: named inputs, the result, and the gradients, which are compared
 * along random directions with central differences of the operation itself.
 */
final class GradientCheck implements AutoCloseable {
  private static final int DIRECTIONS = 6;

  final Backend backend;
  final TensorScope scope;
  final Random random = new Random(11);
  final Map<String, Tensor> inputs = new LinkedHashMap<>();
  final Map<String, Tensor> gradients = new LinkedHashMap<>();
  final Tensor out;
  final Tensor dOut;
  Runnable forward;
  Runnable backward;

  GradientCheck(String backendName, long rows, long columns) {
    backend = TestBackends.open(backendName);
    scope = backend.scope("test");
    out = scope.allocate(DType.F32, rows, columns);
    dOut = normal(rows, columns);
  }

  /** Allocates normal numbers in a strided view. */
  Tensor normal(long... dims) {
    long columns = dims[dims.length - 1];
    long rows = dims.length == 1 ? 1 : dims[0];
    Tensor tensor =
        dims.length == 1
            ? scope.allocate(DType.F32, columns)
            : scope.allocate(DType.F32, rows, columns + 2).columns(1, columns);
    float[] values = new float[(int) (rows * columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    backend.upload(tensor, values);
    return tensor;
  }

  Tensor ints(int count, int bound) {
    Tensor tensor = scope.allocate(DType.I32, count);
    backend.upload(tensor, random.ints(count, 0, bound).toArray());
    return tensor;
  }

  Tensor input(String name, long... dims) {
    Tensor tensor = normal(dims);
    inputs.put(name, tensor);
    Tensor gradient = normal(dims);
    backend.fill(gradient, 0f);
    gradients.put(name, gradient);
    return tensor;
  }

  Tensor d(String name) {
    return gradients.get(name);
  }

  /** Returns the sum of out * dOut in double. */
  double value() {
    forward.run();
    float[] result = backend.download(out);
    float[] weights = backend.download(dOut);
    double sum = 0;
    for (int i = 0; i < result.length; i++) {
      sum += (double) result[i] * weights[i];
    }
    return sum;
  }

  void check() {
    forward.run();
    backward.run();
    for (String name : inputs.keySet()) {
      float[] values = backend.download(inputs.get(name));
      float[] gradient = backend.download(gradients.get(name));
      for (int n = 0; n < DIRECTIONS; n++) {
        double expected = 0;
        double size = 0;
        float[] up = values.clone();
        float[] down = values.clone();
        for (int i = 0; i < values.length; i++) {
          float direction = (float) random.nextGaussian();
          up[i] += 2e-3f * direction;
          down[i] -= 2e-3f * direction;
          double step = ((double) up[i] - down[i]) / 4e-3;
          expected += gradient[i] * step;
          size += (double) gradient[i] * gradient[i];
        }
        backend.upload(inputs.get(name), up);
        double high = value();
        backend.upload(inputs.get(name), down);
        double low = value();
        backend.upload(inputs.get(name), values);
        assertEquals(
            expected,
            (high - low) / 4e-3,
            Tolerances.FLOAT_DIFFERENCE * (1 + Math.sqrt(size)),
            name + " direction " + n);
      }
    }
  }

  @Override
  public void close() {
    scope.close();
    backend.close();
  }
}
