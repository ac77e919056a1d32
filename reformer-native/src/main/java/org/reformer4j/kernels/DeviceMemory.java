package org.reformer4j.kernels;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.reformer4j.api.DType;
import org.reformer4j.api.ExclusiveUse;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Storage;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Device memory with a count of the bytes in use: tensors of scopes, recordings, and workspaces.
 */
final class DeviceMemory implements TensorScope.Allocator {
  private final Device device;
  private final ExclusiveUse use;
  private final long limit;

  /** Bytes of every block that scopes hold, by address. */
  private final Map<Long, Long> blocks = new HashMap<>();

  private final long[] result = new long[1];
  private long live;
  private long peak;

  /** Of the next operation, or null. */
  private Workspace workspace;

  /** Bytes of all workspaces that there are: of this one, and of those that recordings keep. */
  private long workspaceBytes;

  /** Of the recording that is being made, or null. */
  private RecordedMemory recorded;

  DeviceMemory(Device device, ExclusiveUse use, long limit) {
    this.device = device;
    this.use = use;
    this.limit = limit;
  }

  long liveBytes() {
    return live;
  }

  long peakBytes() {
    return peak;
  }

  /** What is left of the limit and of the device; the workspace stays with this backend. */
  long availableBytes() {
    long[] free = new long[1];
    long[] total = new long[1];
    device.check("memory", "", device.kernels().rf_memory(device.context(), free, total));
    return Math.min(limit - live - workspaceBytes, free[0]);
  }

  /** Gives the workspace back, so that the new peak tells what the next operations need. */
  void resetPeak() {
    freeWorkspace();
    peak = live + workspaceBytes;
  }

  /** Takes memory of a recording from now on, or the device's for null. */
  void record(RecordedMemory of) {
    recorded = of;
  }

  @Override
  public Storage allocate(DType type, long elements, TensorScope scope) {
    return use.call(
        "allocate",
        () -> {
          device.requireAlive("allocate");
          Supplier<String> holder =
              () -> "scope '" + scope.path() + "', which holds " + scope.liveBytes() + " of";
          if (elements > Long.MAX_VALUE / type.bytes()) {
            throw outOfMemory(Long.MAX_VALUE, holder.get(), "the size of a long");
          }
          long bytes = elements * type.bytes();
          long address;
          if (recorded == null) {
            address = reserveLive(bytes, holder);
            blocks.put(address, bytes);
          } else {
            address = recorded.allocate(bytes, scope.path(), holder);
          }
          return new DeviceStorage(this, address, elements);
        });
  }

  @Override
  public void free(DType type, Storage storage) {
    use.run(
        "free",
        () -> {
          DeviceStorage block = (DeviceStorage) storage;
          block.free();
          long address = block.address();
          Long bytes = blocks.remove(address);
          if (bytes != null && recorded == null) {
            releaseLive(address, bytes);
          } else if (bytes != null) {
            live -= bytes;
            recorded.freeForeign(address);
          } else if (recorded != null) {
            recorded.free(address);
          }
        });
  }

  /** Returns a new block that counts as live. */
  long reserveLive(long bytes, Supplier<String> holder) {
    long address = reserve(bytes, holder);
    live += bytes;
    peak = Math.max(peak, live + workspaceBytes);
    return address;
  }

  /** Frees such a block. */
  void releaseLive(long address, long bytes) {
    live -= bytes;
    release(address);
  }

  /** Takes over such a block, which a scope holds, from a recording. */
  void adopt(long address, long bytes) {
    blocks.put(address, bytes);
  }

  /**
   * Returns memory for intermediate results of one operation; the next operation overwrites it.
   * Counted against the limit and in the peak, but not as live: no scope holds it.
   *
   * @param bytes how much
   */
  long workspace(long bytes) {
    if (recorded != null) {
      recorded.needWorkspace(bytes);
    }
    if (workspace == null || bytes > workspace.bytes()) {
      freeWorkspace();
      workspace = new Workspace(reserve(bytes, () -> "the workspace, beside"), bytes);
      workspaceBytes += bytes;
      peak = Math.max(peak, live + workspaceBytes);
    }
    return workspace.address();
  }

  /** Returns the present workspace for a recording that knows its address, which gives it back. */
  Workspace keepWorkspace() {
    workspace.keep();
    return workspace;
  }

  /** Takes a workspace back from a recording. */
  void leaveWorkspace(Workspace kept) {
    kept.leave();
    if (kept != workspace) {
      release(kept);
    }
  }

  /** Frees what is left and returns how many bytes of it scopes still held. */
  long close() {
    freeWorkspace();
    long left = live;
    blocks.keySet().forEach(this::release);
    blocks.clear();
    live = 0;
    return left;
  }

  /** Returns the address of a tensor's first element, for reading or writing. */
  long address(Tensor tensor) {
    DeviceStorage storage = storage(tensor);
    storage.integers(null);
    if (recorded != null) {
      recorded.use(storage, true);
    }
    return readOnly(tensor);
  }

  /** Returns the address of a tensor's first element for operations that only read it. */
  long readOnly(Tensor tensor) {
    DeviceStorage storage = storage(tensor);
    if (recorded != null) {
      recorded.use(storage, false);
    }
    return storage.address() + tensor.offset() * tensor.type().bytes();
  }

  /** Returns the block that a tensor is a view of. */
  DeviceStorage storage(Tensor tensor) {
    if (tensor.storage() instanceof DeviceStorage storage && storage.owner() == this) {
      return storage;
    }
    throw new IllegalArgumentException(
        "tensor " + tensor + " belongs to another backend: upload its values to this one first");
  }

  /** Returns the address of a tensor's first element, 0 for null. */
  long addressOrNull(Tensor tensor) {
    return tensor == null ? 0 : address(tensor);
  }

  private long reserve(long bytes, Supplier<String> holder) {
    if (bytes > limit - live - workspaceBytes) {
      throw outOfMemory(bytes, holder.get(), "the limit of " + limit + " bytes (memoryLimitBytes)");
    }
    int status = device.kernels().rf_allocate(device.context(), bytes, result);
    if (status == Device.MEMORY_ALLOCATION) {
      throw outOfMemory(bytes, holder.get(), "the device");
    }
    if (status != 0) {
      device.check("allocate", bytes + " bytes", status);
    }
    return result[0];
  }

  /** Never throws, so that a scope always closes; the next operation tells of a lost device. */
  void release(long address) {
    if (device.alive()) {
      device.note("free", device.kernels().rf_free(device.context(), address));
    }
  }

  private void freeWorkspace() {
    if (workspace != null) {
      Workspace old = workspace;
      workspace = null;
      release(old);
    }
  }

  private void release(Workspace old) {
    if (!old.isKept()) {
      workspaceBytes -= old.bytes();
      release(old.address());
    }
  }

  private OutOfDeviceMemoryException outOfMemory(long bytes, String holder, String limited) {
    long[] free = new long[1];
    long[] total = new long[1];
    device.kernels().rf_memory(device.context(), free, total);
    return new OutOfDeviceMemoryException(
        "cannot allocate "
            + bytes
            + " bytes in "
            + holder
            + " the backend's "
            + live
            + " bytes; limited by "
            + limited
            + "; the device has "
            + free[0]
            + " of "
            + total[0]
            + " bytes free: use shorter sequences or a smaller batch, or end other programs that"
            + " use it");
  }
}
