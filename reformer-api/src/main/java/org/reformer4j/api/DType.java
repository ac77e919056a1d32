package org.reformer4j.api;

/** Element type of a tensor. */
public enum DType {
  /** IEEE binary32: activations, parameters, gradients, residual streams. */
  F32(4),
  /** 32-bit integers: token ids, positions, masks, buckets. */
  I32(4);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Returns the size of an element in bytes. */
  public int bytes() {
    return bytes;
  }
}
