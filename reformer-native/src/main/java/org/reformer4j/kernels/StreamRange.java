package org.reformer4j.kernels;

import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;

/**
 * Whether fixed-point streams stayed in their range. Kernels set one flag on the device; operations
 * that wait for the device look at it.
 */
final class StreamRange {
  private final Device device;
  private final Transfers transfers;
  private long flag;

  /** The last operation that may have set the flag, null if none has been queued since. */
  private String pending;

  StreamRange(Device device, Transfers transfers) {
    this.device = device;
    this.transfers = transfers;
  }

  /** Returns the flag for an operation on a stream, 0 for one that cannot leave its range. */
  long flag(String op, Tensor stream) {
    if (stream == null || stream.type() != DType.FIXED) {
      return 0;
    }
    if (flag == 0) {
      long[] address = new long[1];
      device.check(op, "", device.kernels().rf_allocate(device.context(), Integer.BYTES, address));
      transfers.upload(op, address[0], 0);
      flag = address[0];
    }
    pending = op;
    return flag;
  }

  /**
   * Throws if a stream left its range since the last look.
   *
   * @param waiting the operation that waits
   */
  void check(String waiting) {
    if (pending == null) {
      return;
    }
    String op = pending;
    pending = null;
    if (transfers.downloadInt(waiting, flag) != 0) {
      transfers.upload(waiting, flag, 0);
      throw new BackendException(
          op,
          0,
          false,
          op
              + ": a fixed-point stream left its range of +-2048 or got a NaN, here or in an operation"
              + " queued before, and was saturated, so that step cannot be taken back: discard it, and"
              + " use F32 streams, smaller weights or a lower learning rate");
    }
  }

  void close() {
    if (flag != 0 && device.alive()) {
      device.note("close", device.kernels().rf_free(device.context(), flag));
    }
  }
}
