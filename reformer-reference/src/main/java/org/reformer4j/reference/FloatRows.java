package org.reformer4j.reference;

import org.reformer4j.api.Tensor;

/** A float tensor as an array with the place of each row. */
final class FloatRows {
  final float[] data;
  final int rows;
  final int columns;
  private final int offset;
  private final int stride;

  private FloatRows(Tensor tensor) {
    this.data = ArrayStorage.of(tensor).floats;
    this.rows = (int) tensor.rows();
    this.columns = (int) tensor.columns();
    this.offset = (int) tensor.offset();
    this.stride = (int) tensor.rowStride();
  }

  static FloatRows of(Tensor tensor) {
    return new FloatRows(tensor);
  }

  /** Returns null for null, for the optional parameters. */
  static FloatRows orNull(Tensor tensor) {
    return tensor == null ? null : new FloatRows(tensor);
  }

  /** Returns the index of the first element of a row. */
  int at(int row) {
    return offset + row * stride;
  }

  /** Returns the distance between rows. */
  int stride() {
    return stride;
  }
}
