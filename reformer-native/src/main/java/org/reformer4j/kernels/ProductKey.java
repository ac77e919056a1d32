package org.reformer4j.kernels;

import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;

/**
 * What a way of computing a product depends on, for c [M, N] = op(a) op(b) in row-major order.
 *
 * @param m M
 * @param n N
 * @param k K
 * @param transposeA whether a is given transposed
 * @param transposeB whether b is given transposed
 * @param strideA elements from row to row of a
 * @param strideB elements from row to row of b
 * @param strideC elements from row to row of c
 * @param inputs type of a and b
 * @param output type of c
 * @param alignments bytes to which a, b and c are aligned, as powers of two in a byte each
 */
record ProductKey(
    long m,
    long n,
    long k,
    boolean transposeA,
    boolean transposeB,
    long strideA,
    long strideB,
    long strideC,
    DType inputs,
    DType output,
    int alignments) {
  /** CUDA's allocations are aligned to this; more is of no use. */
  private static final int HIGHEST_ALIGNMENT = 8;

  static ProductKey of(
      Tensor c,
      long addressC,
      Tensor a,
      long addressA,
      boolean transposeA,
      Tensor b,
      long addressB,
      boolean transposeB) {
    long k = transposeA ? a.rows() : a.columns();
    return new ProductKey(
        c.rows(),
        c.columns(),
        k,
        transposeA,
        transposeB,
        stride(a),
        stride(b),
        stride(c),
        a.type(),
        c.type(),
        alignment(addressA) | alignment(addressB) << 8 | alignment(addressC) << 16);
  }

  /** Returns the alignment in bytes of operand 0 (a), 1 (b) or 2 (c). */
  int alignmentBytes(int operand) {
    return 1 << (alignments >> 8 * operand & 0xFF);
  }

  /** A view of one row may have any stride; cuBLAS wants one that is not less than the columns. */
  private static long stride(Tensor tensor) {
    return tensor.rows() <= 1 ? Math.max(1, tensor.columns()) : tensor.rowStride();
  }

  private static int alignment(long address) {
    return Math.min(HIGHEST_ALIGNMENT, Long.numberOfTrailingZeros(address));
  }
}
