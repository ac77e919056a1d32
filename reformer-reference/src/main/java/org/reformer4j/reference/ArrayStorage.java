package org.reformer4j.reference;

import org.reformer4j.api.DType;
import org.reformer4j.api.Storage;
import org.reformer4j.api.Tensor;

/** Memory of the reference backend: one Java array. */
final class ArrayStorage implements Storage {
  /** Elements of F32, else null. */
  final float[] floats;

  /** Elements of I32 and FIXED, else null. */
  final int[] ints;

  /** Elements of BF16, else null. */
  final short[] shorts;

  /** Elements of I8, else null. */
  final byte[] bytes;

  private final int elements;

  ArrayStorage(DType type, int elements) {
    this.elements = elements;
    this.floats = type == DType.F32 ? new float[elements] : null;
    this.ints = type == DType.I32 || type == DType.FIXED ? new int[elements] : null;
    this.shorts = type == DType.BF16 ? new short[elements] : null;
    this.bytes = type == DType.I8 ? new byte[elements] : null;
  }

  @Override
  public long elements() {
    return elements;
  }

  /** Returns the one array there is. */
  Object array() {
    if (floats != null) {
      return floats;
    }
    if (ints != null) {
      return ints;
    }
    return shorts != null ? shorts : bytes;
  }

  static ArrayStorage of(Tensor tensor) {
    if (tensor.storage() instanceof ArrayStorage storage) {
      return storage;
    }
    throw new IllegalArgumentException(
        "tensor " + tensor + " belongs to another backend: upload its values to this one first");
  }
}
