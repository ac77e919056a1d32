package org.reformer4j.reference;

import org.reformer4j.api.DType;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Storage;
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

  long availableBytes() {
    return limit == Long.MAX_VALUE ? Long.MAX_VALUE : limit - live;
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
}
