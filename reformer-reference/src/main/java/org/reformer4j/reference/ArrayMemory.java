package org.reformer4j.reference;

import java.util.Arrays;
import org.reformer4j.api.Arguments;
import org.reformer4j.api.DType;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Storage;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Java arrays as device memory, with a count of the bytes in use. */
final class ArrayMemory implements TensorScope.Allocator {
  private static final long LONGEST_ARRAY = Integer.MAX_VALUE - 8;

  private final long limit;
  private long live;
  private long peak;

  ArrayMemory(long limit) {
    this.limit = limit;
  }

  TensorScope scope(String name) {
    return new TensorScope(name, this);
  }

  long liveBytes() {
    return live;
  }

  long peakBytes() {
    return peak;
  }

  void resetPeak() {
    peak = live;
  }

  @Override
  public Storage allocate(DType type, long elements, TensorScope scope) {
    long bytes = elements * type.bytes();
    if (elements > LONGEST_ARRAY || bytes > limit - live) {
      throw outOfMemory(bytes, scope, elements > LONGEST_ARRAY ? "one Java array" : "the limit");
    }
    ArrayStorage storage;
    try {
      storage = new ArrayStorage(type, (int) elements);
    } catch (OutOfMemoryError e) {
      OutOfDeviceMemoryException failure = outOfMemory(bytes, scope, "the Java heap (-Xmx)");
      failure.initCause(e);
      throw failure;
    }
    live += bytes;
    peak = Math.max(peak, live);
    return storage;
  }

  private OutOfDeviceMemoryException outOfMemory(long bytes, TensorScope scope, String limited) {
    Runtime runtime = Runtime.getRuntime();
    return new OutOfDeviceMemoryException(
        "cannot allocate "
            + bytes
            + " bytes in scope '"
            + scope.path()
            + "', which holds "
            + scope.liveBytes()
            + " of the backend's "
            + live
            + " bytes; limited by "
            + limited
            + "; heap "
            + runtime.maxMemory()
            + " bytes: use shorter sequences, a smaller batch, or a larger -Xmx");
  }

  @Override
  public void free(DType type, Storage storage) {
    live -= storage.elements() * type.bytes();
  }

  static void upload(Tensor target, float[] source) {
    length("upload", target, DType.F32, source.length);
    FloatRows rows = FloatRows.of(target);
    for (int i = 0; i < rows.rows; i++) {
      System.arraycopy(source, i * rows.columns, rows.data, rows.at(i), rows.columns);
    }
  }

  static void upload(Tensor target, int[] source) {
    length("upload", target, DType.I32, source.length);
    Arguments.flat("upload", "target", target, DType.I32, "[any]", source.length);
    System.arraycopy(source, 0, ArrayStorage.of(target).ints, (int) target.offset(), source.length);
  }

  static void download(float[] target, Tensor source) {
    length("download", source, DType.F32, target.length);
    FloatRows rows = FloatRows.of(source);
    for (int i = 0; i < rows.rows; i++) {
      System.arraycopy(rows.data, rows.at(i), target, i * rows.columns, rows.columns);
    }
  }

  static void download(int[] target, Tensor source) {
    Arguments.flat("download", "source", source, DType.I32, "[any]", target.length);
    System.arraycopy(ArrayStorage.of(source).ints, (int) source.offset(), target, 0, target.length);
  }

  static void fill(Tensor target, float value) {
    length("fill", target, DType.F32, target.elements());
    FloatRows rows = FloatRows.of(target);
    for (int i = 0; i < rows.rows; i++) {
      Arrays.fill(rows.data, rows.at(i), rows.at(i) + rows.columns, value);
    }
  }

  static void copy(Tensor target, Tensor source) {
    Arguments.matrix(
        "copy",
        "target",
        target,
        source.type(),
        "[rows, columns]",
        source.rows(),
        source.columns());
    Object from = array(source);
    Object to = array(target);
    for (long i = 0; i < source.rows(); i++) {
      System.arraycopy(
          from,
          (int) (source.offset() + i * source.rowStride()),
          to,
          (int) (target.offset() + i * target.rowStride()),
          (int) source.columns());
    }
  }

  private static Object array(Tensor tensor) {
    ArrayStorage storage = ArrayStorage.of(tensor);
    return tensor.type() == DType.F32 ? storage.floats : storage.ints;
  }

  private static void length(String op, Tensor tensor, DType type, long elements) {
    if (tensor.type() != type || tensor.elements() != elements) {
      throw new IllegalArgumentException(
          op
              + ": "
              + tensor
              + " has "
              + tensor.elements()
              + " elements, but "
              + elements
              + " of type "
              + type
              + " are given or wanted");
    }
  }
}
