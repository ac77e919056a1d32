package org.reformer4j.kernels;

import java.util.function.Predicate;
import org.reformer4j.api.Arguments;
import org.reformer4j.api.Tensor;

/**
 * Looks for numbers that are no index before a kernel reads what they point at: a wrong number is
 * the caller's mistake and refused where it is made. Where all numbers that were uploaded are good,
 * that is known on the host; any other check waits for the device. In recordings nobody looks.
 */
final class IndexCheck {
  private final Device device;
  private final DeviceMemory memory;
  private final Transfers transfers;

  IndexCheck(Device device, DeviceMemory memory, Transfers transfers) {
    this.device = device;
    this.memory = memory;
    this.transfers = transfers;
  }

  /** Refuses numbers outside of 0..limit-1. */
  void indices(String op, String name, Tensor values, long limit) {
    if (good(values, known -> known.within(limit))) {
      return;
    }
    long wrong = find(op, values, limit, false, 0);
    if (wrong < values.elements()) {
      throw Arguments.wrongIndex(op, name, wrong, limit, value(op, values, wrong));
    }
  }

  /**
   * Refuses numbers outside of 0..limit-1 where nobody has to wait for them: on the processor, and
   * those that have been uploaded. What an operation has made is trusted.
   */
  void indicesAtHand(String op, String name, Tensor values, long limit) {
    if (!device.queues() || memory.storage(values).integers() != null) {
      indices(op, name, values, limit);
    }
  }

  /** Refuses targets outside of 0..limit-1 that are not ignored. */
  void targets(String op, Tensor values, long limit, int ignoreIndex) {
    if (good(values, known -> known.within(limit, ignoreIndex))) {
      return;
    }
    long wrong = find(op, values, limit, true, ignoreIndex);
    if (wrong < values.elements()) {
      throw Arguments.wrongTarget(wrong, ignoreIndex, limit, value(op, values, wrong));
    }
  }

  /** Refuses numbers outside of -1..limit-1. */
  void indicesOrNone(String op, String name, Tensor values, long limit) {
    if (good(values, known -> known.within(limit, -1))) {
      return;
    }
    long wrong = find(op, values, limit, true, -1);
    if (wrong < values.elements()) {
      throw Arguments.wrongRow(op, name, wrong, limit, value(op, values, wrong));
    }
  }

  /** Returns whether a recording is being made, or the host has seen that all numbers are good. */
  private boolean good(Tensor values, Predicate<IntegerRange> within) {
    if (device.recording()) {
      return true;
    }
    IntegerRange known = memory.storage(values).integers();
    return known != null && within.test(known);
  }

  private long find(String op, Tensor values, long limit, boolean anyIgnored, int ignored) {
    long first = memory.workspace(Integer.BYTES);
    device.check(
        op,
        values,
        device
            .kernels()
            .rf_index_check(
                device.context(),
                first,
                memory.readOnly(values),
                values.elements(),
                limit,
                anyIgnored ? 1 : 0,
                ignored));
    return transfers.downloadInt(op, first);
  }

  private int value(String op, Tensor values, long place) {
    return transfers.downloadInt(op, memory.readOnly(values) + place * Integer.BYTES);
  }
}
