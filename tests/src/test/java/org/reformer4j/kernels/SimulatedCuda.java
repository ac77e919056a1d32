package org.reformer4j.kernels;

import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.TestBackends;

/**
 * The CUDA backend over kernels that run on the CPU, on a machine with a card that card, and
 * tensors for tests of it.
 */
final class SimulatedCuda {
  static final String PROPERTY = TestBackends.FAKE_CUDA;

  private SimulatedCuda() {}

  static BackendProvider provider() {
    return Boolean.getBoolean(PROPERTY) ? TestBackends.simulatedCuda() : new CudaBackendProvider();
  }

  /** Returns whether there is a simulated or a real device. */
  static boolean available() {
    return Boolean.getBoolean(PROPERTY) || provider().probe().available();
  }

  static Backend open() {
    return provider().open(BackendOptions.defaults());
  }

  static Backend open(long memoryLimitBytes) {
    return provider().open(new BackendOptions(1, memoryLimitBytes));
  }

  /** Returns normal numbers that depend on the seed only. */
  static float[] normals(long seed, long count) {
    Random random = new Random(seed);
    float[] values = new float[Math.toIntExact(count)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Returns a view of some columns of a larger matrix of normal numbers. */
  static Tensor view(
      Backend backend, TensorScope scope, DType type, long seed, long rows, long columns) {
    Tensor whole = scope.allocate(type, rows, columns + 5);
    backend.upload(whole, normals(seed, whole.elements()));
    return whole.columns(3, columns);
  }

  /** Returns a matrix of normal numbers without gaps. */
  static Tensor matrix(Backend backend, TensorScope scope, long seed, long... dims) {
    Tensor tensor = scope.allocate(DType.F32, dims);
    backend.upload(tensor, normals(seed, tensor.elements()));
    return tensor;
  }
}
