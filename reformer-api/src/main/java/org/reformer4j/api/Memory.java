package org.reformer4j.api;

/** The memory half of a backend: where tensors come from, and the way in and out. */
public interface Memory {
  /**
   * Opens a new root scope, the only source of tensors.
   *
   * @param name shown in reports, such as {@code step}
   */
  TensorScope scope(String name);

  /** Returns the bytes that all open scopes and recordings of this backend hold now. */
  long liveBytes();

  /** Returns the most bytes that all of them held at once since {@link #resetPeak}. */
  long peakBytes();

  /**
   * Returns the bytes that scopes can still take, as far as it is known: what is left of the limit
   * and of the device. {@link Long#MAX_VALUE} where there is no limit but that of the Java heap.
   */
  long availableBytes();

  /** Starts a new measurement of {@link #peakBytes} at the present {@link #liveBytes}. */
  void resetPeak();

  /**
   * Copies host floats into a tensor, row after row, converted as {@link Bfloat16} and {@link
   * FixedPoint} define.
   *
   * @param target F32, BF16 or FIXED, any shape
   * @param source exactly as many elements
   */
  void upload(Tensor target, float[] source);

  /**
   * Copies host integers into a tensor, row after row.
   *
   * @param target I32, any shape
   * @param source exactly as many elements
   */
  void upload(Tensor target, int[] source);

  /**
   * Copies host bytes into a tensor, row after row.
   *
   * @param target I8, any shape
   * @param source exactly as many elements
   */
  void upload(Tensor target, byte[] source);

  /**
   * Waits for the device and returns the elements as floats, row after row. FIXED numbers of more
   * than 24 bits are rounded; {@link #downloadInts} has them exactly.
   *
   * @param source F32, BF16 or FIXED, at most 2^31-1 elements
   */
  float[] download(Tensor source);

  /**
   * Waits for the device and returns the elements, row after row.
   *
   * @param source I32, or FIXED as its integers; at most 2^31-1 elements
   */
  int[] downloadInts(Tensor source);

  /**
   * Sets every element.
   *
   * @param target F32, BF16 or FIXED, any shape
   * @param value the value, converted to the type
   */
  void fill(Tensor target, float value);

  /**
   * Copies the elements of one tensor to another.
   *
   * @param target as many rows and columns as the source
   * @param source the same type
   */
  void copy(Tensor target, Tensor source);

  /**
   * Rounds floats to bfloat16 as {@link Bfloat16} defines.
   *
   * @param target BF16, as many rows and columns as the source
   * @param source F32
   */
  void round(Tensor target, Tensor source);
}
