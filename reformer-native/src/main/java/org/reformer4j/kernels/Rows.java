package org.reformer4j.kernels;

import org.reformer4j.api.Tensor;

/**
 * A matrix as kernels take it.
 *
 * @param address of the first element, 0 for none
 * @param stride elements from row to row
 * @param type as the kernel library numbers it
 */
record Rows(long address, long stride, int type) {
  /** No matrix: what kernels take for an optional parameter that is not given. */
  static final Rows NONE = new Rows(0, 0, 0);

  static Rows of(DeviceMemory memory, Tensor tensor) {
    return new Rows(memory.address(tensor), tensor.rowStride(), ElementTypes.code(tensor));
  }
}
