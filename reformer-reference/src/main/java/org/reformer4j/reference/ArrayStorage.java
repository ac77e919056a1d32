package org.reformer4j.reference;

import org.reformer4j.api.DType;
import org.reformer4j.api.Storage;
import org.reformer4j.api.Tensor;

/** Memory of the reference backend: one Java array. */
final class ArrayStorage implements Storage {
  final float[] floats;
  final int[] ints;

  ArrayStorage(DType type, int elements) {
    this.floats = type == DType.F32 ? new float[elements] : null;
    this.ints = type == DType.I32 ? new int[elements] : null;
  }

  @Override
  public long elements() {
    return floats != null ? floats.length : ints.length;
  }

  static ArrayStorage of(Tensor tensor) {
    if (tensor.storage() instanceof ArrayStorage storage) {
      return storage;
    }
    throw new IllegalArgumentException(
        "tensor " + tensor + " belongs to another backend: upload its values to this one first");
  }
}
