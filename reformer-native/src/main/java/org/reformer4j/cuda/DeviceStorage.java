package org.reformer4j.cuda;

import org.reformer4j.api.Storage;

/**
 * A block of device memory.
 *
 * @param owner the memory that it came from
 * @param address where it starts
 * @param elements how many elements it holds
 */
record DeviceStorage(CudaMemory owner, long address, long elements) implements Storage {
  // Blocks are told apart by address; the records of two backends are never equal.
}
