package org.reformer4j.kernels;

/**
 * Memory for the intermediate results of one operation at a time. Operations that wait for more
 * take another one; recordings that know the address keep this one until then.
 */
final class Workspace {
  private final long address;
  private final long bytes;
  private int keepers;

  Workspace(long address, long bytes) {
    this.address = address;
    this.bytes = bytes;
  }

  long address() {
    return address;
  }

  long bytes() {
    return bytes;
  }

  /** Counts one more recording that knows the address. */
  void keep() {
    keepers++;
  }

  /** Counts one less. */
  void leave() {
    keepers--;
  }

  /** Returns whether recordings know the address. */
  boolean isKept() {
    return keepers > 0;
  }
}
