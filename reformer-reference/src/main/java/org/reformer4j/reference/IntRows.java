package org.reformer4j.reference;

import org.reformer4j.api.Tensor;

/** A contiguous integer tensor as an array with an offset. */
final class IntRows {
  final int[] data;
  private final int offset;

  private IntRows(Tensor tensor) {
    this.data = ArrayStorage.of(tensor).ints;
    this.offset = (int) tensor.offset();
  }

  static IntRows of(Tensor tensor) {
    return new IntRows(tensor);
  }

  static IntRows orNull(Tensor tensor) {
    return tensor == null ? null : new IntRows(tensor);
  }

  /** Returns element i in row-major order. */
  int get(int i) {
    return data[offset + i];
  }

  void set(int i, int value) {
    data[offset + i] = value;
  }
}
