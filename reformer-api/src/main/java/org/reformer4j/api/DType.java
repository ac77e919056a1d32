package org.reformer4j.api;

/** Element type of a tensor. */
public enum DType {
  /** IEEE binary32: activations, parameters, gradients, residual streams. */
  F32(4),
  /** Upper half of binary32 ({@link Bfloat16}): activations and weights where precision may go. */
  BF16(2),
  /** 32-bit integers: token ids, positions, masks, buckets. */
  I32(4),
  /**
   * 32-bit fixed point ({@link FixedPoint}), value = integer * 2^-{@value #FRACTION_BITS}: residual
   * streams that can be subtracted from without losing a bit.
   */
  FIXED(4),
  /** 8-bit integers: rotations of integer hashing. */
  I8(1);

  /** Bits behind the point of {@link #FIXED}: range +-2048, step 9.5e-7. */
  public static final int FRACTION_BITS = 20;

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Returns the size of an element in bytes. */
  public int bytes() {
    return bytes;
  }
}
