package org.reformer4j.reference;

import org.reformer4j.api.DType;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.Tensor;

/** A residual stream, F32 or FIXED: an array with the place of each row, read as doubles. */
final class StreamRows {
  final int rows;
  final int columns;

  /** Elements of a FIXED stream, else null. */
  final int[] fixed;

  private final float[] floats;
  private final int offset;
  private final int stride;

  private StreamRows(Tensor tensor) {
    ArrayStorage storage = ArrayStorage.of(tensor);
    this.floats = storage.floats;
    this.fixed = storage.ints;
    this.rows = (int) tensor.rows();
    this.columns = (int) tensor.columns();
    this.offset = (int) tensor.offset();
    this.stride = (int) tensor.rowStride();
  }

  static StreamRows of(Tensor tensor) {
    return new StreamRows(tensor);
  }

  /** The types that a stream may have. */
  static DType[] types() {
    return new DType[] {DType.F32, DType.FIXED};
  }

  /** Returns the index of the first element of a row. */
  int at(int row) {
    return offset + row * stride;
  }

  /** Writes columns from..to-1 of a row to the same places of an array. */
  void read(double[] target, int row, int from, int to) {
    int at = at(row);
    if (floats != null) {
      for (int j = from; j < to; j++) {
        target[j] = floats[at + j];
      }
    } else {
      for (int j = from; j < to; j++) {
        target[j] = FixedPoint.toDouble(fixed[at + j]);
      }
    }
  }
}
