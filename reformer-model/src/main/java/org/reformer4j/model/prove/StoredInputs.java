package org.reformer4j.model.prove;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Trace;

/**
 * Keeps the inputs of all layers, which a reversible pass does not, and compares them with what the
 * backward pass rebuilds. One that restores also puts them back, so that the pass goes on as if
 * nothing had been rebuilt, but for the half layer in between.
 */
final class StoredInputs implements Trace, AutoCloseable {
  private final Backend backend;
  private final TensorScope scope;
  private final boolean restores;
  private final List<Tensor[]> inputs = new ArrayList<>();
  private double error = Double.NaN;

  StoredInputs(Backend backend, boolean restores) {
    this.backend = backend;
    this.restores = restores;
    this.scope = backend.scope("stored-inputs");
  }

  @Override
  public void layerInput(int layer, Tensor x1, Tensor x2) {
    Tensor[] copies = {copy(x1), copy(x2)};
    inputs.add(copies);
  }

  @Override
  public void rebuilt(int layer, Tensor x1, Tensor x2, Tensor dX1, Tensor dX2) {
    Tensor[] stored = inputs.get(layer);
    if (layer == 0) {
      Distance distance = new Distance();
      distance.add(values(x1), values(stored[0]));
      distance.add(values(x2), values(stored[1]));
      error = distance.relative();
    }
    if (restores) {
      backend.copy(x1, stored[0]);
      backend.copy(x2, stored[1]);
    }
  }

  /**
   * Returns how far the rebuilt inputs of the first layer are from what they were, relative to
   * them; NaN before there are any.
   */
  double error() {
    return error;
  }

  private Tensor copy(Tensor stream) {
    Tensor copy = scope.allocate(stream.type(), stream.rows(), stream.columns());
    backend.copy(copy, stream);
    return copy;
  }

  /** The integers of a fixed-point stream: as floats, the last bits of some would be rounded. */
  private double[] values(Tensor stream) {
    if (stream.type() == DType.FIXED) {
      int[] integers = backend.downloadInts(stream);
      double[] values = new double[integers.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = integers[i];
      }
      return values;
    }
    return Distance.widened(backend.download(stream));
  }

  @Override
  public void close() {
    scope.close();
  }
}
