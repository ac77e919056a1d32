package org.reformer4j.kernels;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What one recording has of the device's memory. A block that a scope gives back stays here, for
 * the next scope and for the second run, which gets no other: addresses are written into the
 * recording. It keeps the workspace, and remembers which tensors of others are worked on.
 */
final class RecordedMemory {
  private final Device device;
  private final DeviceMemory memory;

  /** Addresses of blocks that nobody holds, by their bytes. */
  private final Map<Long, Deque<Long>> returned = new HashMap<>();

  /** Bytes of the blocks that scopes hold, by address. */
  private final Map<Long, Long> held = new HashMap<>();

  /** Blocks of others that a scope gave back meanwhile. */
  private final List<Long> foreign = new ArrayList<>();

  /** Blocks of others, and whether operations may write to them. */
  private final Map<DeviceStorage, Boolean> uses = new LinkedHashMap<>();

  /** Null where no operation needs one. */
  private Workspace workspace;

  private long workspaceBytes;

  RecordedMemory(Device device, DeviceMemory memory) {
    this.device = device;
    this.memory = memory;
  }

  /**
   * Returns a block for a scope, a new one only in the first run.
   *
   * @param bytes exactly how much
   * @param scope its path
   * @param holder says who asks, in words for a device without that much
   */
  long allocate(long bytes, String scope, Supplier<String> holder) {
    Deque<Long> free = returned.get(bytes);
    long address;
    if (free == null || free.isEmpty()) {
      requireFirstRun("scope '" + scope + "'", bytes);
      address = memory.reserveLive(bytes, holder);
    } else {
      address = free.pop();
    }
    held.put(address, bytes);
    return address;
  }

  /** Takes a block back, if it is one of the recording. */
  void free(long address) {
    Long bytes = held.remove(address);
    if (bytes != null) {
      returned.computeIfAbsent(bytes, size -> new ArrayDeque<>()).push(address);
    }
  }

  /** Remembers a block that is none of the recording, to be freed at its end. */
  void freeForeign(long address) {
    foreign.add(address);
  }

  /** Remembers what an operation needs for intermediate results, in the second run no more. */
  void needWorkspace(long bytes) {
    if (bytes > workspaceBytes) {
      requireFirstRun("the workspace of " + device.operation(), bytes);
      workspaceBytes = bytes;
    }
  }

  /** Between the runs: keeps the workspace whose address the second run will take. */
  void keepWorkspace() {
    if (workspaceBytes > 0) {
      workspace = memory.keepWorkspace();
    }
  }

  private void requireFirstRun(String what, long bytes) {
    device.requireFirstRun(what + " with " + bytes + " bytes");
  }

  /** Remembers a block that an operation works on. */
  void use(DeviceStorage storage, boolean written) {
    if (!held.containsKey(storage.address())) {
      uses.merge(storage, written, Boolean::logicalOr);
    }
  }

  /** Refuses operations that held on to memory, or gave back what was there before them. */
  void requireReturned() {
    if (!held.isEmpty()) {
      throw new IllegalStateException(
          "record: the operations leave "
              + held.size()
              + " of their tensors in scopes that are open: close each scope that they open, and"
              + " allocate results before the recording");
    }
    if (!foreign.isEmpty()) {
      throw new IllegalStateException(
          "record: the operations closed a scope that they had not opened, with "
              + foreign.size()
              + " tensors: a recording needs them as long as it lives");
    }
  }

  /** Before a replay: refuses tensors that are gone; what the host knew of the others is past. */
  void replay() {
    uses.forEach(
        (storage, written) -> {
          if (storage.freed()) {
            throw new IllegalStateException(
                "replay: a tensor that the recording works on was freed with its scope: record the"
                    + " operations again");
          }
          if (written) {
            storage.integers(null);
          }
        });
  }

  /** Frees what others gave back while operations were recorded. */
  void freeForeign() {
    foreign.forEach(memory::release);
    foreign.clear();
  }

  /** Frees everything but what a scope still holds, which is the scope's from now on. */
  void close() {
    returned.forEach(
        (bytes, addresses) -> addresses.forEach(address -> memory.releaseLive(address, bytes)));
    returned.clear();
    held.forEach(memory::adopt);
    held.clear();
    uses.clear();
    if (workspace != null) {
      memory.leaveWorkspace(workspace);
      workspace = null;
    }
  }
}
