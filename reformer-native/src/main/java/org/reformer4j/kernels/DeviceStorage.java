package org.reformer4j.kernels;

import org.reformer4j.api.Storage;

/** A block of device memory, and what the host knows of the integers in it. */
final class DeviceStorage implements Storage {
  private final DeviceMemory owner;
  private final long address;
  private final long elements;

  private boolean freed;

  /** Null where the device may have written. */
  private IntegerRange integers;

  /**
   * Makes a block.
   *
   * @param owner the memory that it came from
   * @param address where it starts
   * @param elements how many elements it holds
   */
  DeviceStorage(DeviceMemory owner, long address, long elements) {
    this.owner = owner;
    this.address = address;
    this.elements = elements;
  }

  DeviceMemory owner() {
    return owner;
  }

  long address() {
    return address;
  }

  @Override
  public long elements() {
    return elements;
  }

  /** Returns whether the scope that held it has been closed. */
  boolean freed() {
    return freed;
  }

  void free() {
    freed = true;
  }

  IntegerRange integers() {
    return integers;
  }

  void integers(IntegerRange known) {
    integers = known;
  }
}
