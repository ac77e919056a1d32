package org.reformer4j.kernels;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.DType;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;

/**
 * Whether fixed-point streams stayed in their range. Each step that is queued has a flag of its own
 * on the device, which its kernel sets; operations that wait for the device look at all of them, so
 * that the first step that left the range is known without a wait of its own.
 */
final class StreamRange {
  /** Steps between two waits; what comes after them shares the last flag. */
  static final int FLAGS = 1024;

  private static final String LATER = " or a later one";

  private final Device device;
  private final Transfers transfers;
  private final List<Step> queued = new ArrayList<>();
  private long flags;
  private String place = "";
  private boolean shared;

  /** A step, or several of one branch. */
  private record Step(String op, String place, Shape shape) {}

  StreamRange(Device device, Transfers transfers) {
    this.device = device;
    this.transfers = transfers;
  }

  /** Says what the steps from now on belong to. */
  void place(String now) {
    place = now;
  }

  /** Returns the flag for an operation on a stream, 0 for one that cannot leave its range. */
  long flag(String op, Tensor stream) {
    if (stream == null || stream.type() != DType.FIXED) {
      return 0;
    }
    if (flags == 0) {
      long[] address = new long[1];
      long bytes = (long) FLAGS * Integer.BYTES;
      device.check(op, "", device.kernels().rf_allocate(device.context(), bytes, address));
      flags = address[0];
      transfers.upload(op, flags, new int[FLAGS]);
    }
    Step step = new Step(op, place, stream.shape());
    if (queued.isEmpty() || !queued.get(queued.size() - 1).equals(step)) {
      if (queued.size() < FLAGS) {
        queued.add(step);
      } else {
        shared = true;
      }
    }
    return flags + (queued.size() - 1L) * Integer.BYTES;
  }

  /**
   * Throws if a stream left its range since the last look.
   *
   * @param waiting the operation that waits
   */
  void check(String waiting) {
    if (queued.isEmpty()) {
      return;
    }
    List<Step> steps = List.copyOf(queued);
    boolean lastIsShared = shared;
    queued.clear();
    shared = false;
    int[] set = transfers.downloadInts(waiting, flags, steps.size());
    for (int i = 0; i < set.length; i++) {
      if (set[i] != 0) {
        transfers.upload(waiting, flags, new int[set.length]);
        Step step = steps.get(i);
        String where = step.place() + (lastIsShared && i == FLAGS - 1 ? LATER : "");
        throw FixedPoint.leftRange(step.op(), where, DType.FIXED + step.shape().toString());
      }
    }
  }

  void close() {
    if (flags != 0 && device.alive()) {
      device.note("close", device.kernels().rf_free(device.context(), flags));
    }
  }
}
