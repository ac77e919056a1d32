package org.reformer4j.kernels;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.reformer4j.api.DType;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.Tensor;

/**
 * Whether fixed-point streams stayed in their range. Each step that is queued has a flag of its own
 * on the device, which its kernel sets; operations that wait for the device look at all of them, so
 * that the first step that left the range is known without a wait of its own. Steps of a recording
 * keep their flags from replay to replay.
 */
final class StreamRange {
  private static final String LATER = " or a later one";

  private final Device device;
  private final Transfers transfers;

  /** Of steps outside of recordings. */
  private final StepFlags own = new StepFlags();

  /** With steps that nobody has looked at, the first one queued first. */
  private final Set<StepFlags> queued = new LinkedHashSet<>();

  private StepFlags current = own;
  private String place = "";

  StreamRange(Device device, Transfers transfers) {
    this.device = device;
    this.transfers = transfers;
  }

  /** Says what the steps from now on belong to. */
  void place(String now) {
    place = now;
  }

  /** Gives steps flags of a recording from now on, or the usual ones for null. */
  void record(StepFlags flags) {
    current = flags == null ? own : flags;
  }

  /** Returns the flag for an operation on a stream, 0 for one that cannot leave its range. */
  long flag(String op, Tensor stream) {
    if (stream == null || stream.type() != DType.FIXED) {
      return 0;
    }
    if (current.address == 0) {
      device.requireFirstRun("the first fixed-point stream, in " + op);
      long[] address = new long[1];
      long bytes = (long) StepFlags.COUNT * Integer.BYTES;
      device.check(op, "", device.kernels().rf_allocate(device.context(), bytes, address));
      current.address = address[0];
      transfers.upload(op, current.address, new int[StepFlags.COUNT]);
    }
    if (!device.capturing()) {
      queue(current);
    }
    return current.of(new StepFlags.Step(op, place, stream.shape()));
  }

  /** Remembers that steps with these flags are queued, if there are any. */
  void queue(StepFlags flags) {
    if (flags.address != 0) {
      queued.add(flags);
    }
  }

  /**
   * Throws if a stream left its range since the last look.
   *
   * @param waiting the operation that waits
   */
  void check(String waiting) {
    List<StepFlags> all = List.copyOf(queued);
    queued.clear();
    RuntimeException first = null;
    for (StepFlags flags : all) {
      RuntimeException left = look(waiting, flags);
      first = first == null ? left : first;
    }
    if (first != null) {
      throw first;
    }
  }

  /** Looks at flags and clears them; returns what the first step that left the range deserves. */
  private RuntimeException look(String waiting, StepFlags flags) {
    List<StepFlags.Step> steps = flags.steps();
    boolean lastIsShared = flags.shared();
    if (flags == own) {
      own.clear();
    }
    int[] set = transfers.downloadInts(waiting, flags.address, steps.size());
    RuntimeException left = null;
    for (int i = set.length - 1; i >= 0; i--) {
      if (set[i] != 0) {
        StepFlags.Step step = steps.get(i);
        String where = step.place() + (lastIsShared && i == StepFlags.COUNT - 1 ? LATER : "");
        left = FixedPoint.leftRange(step.op(), where, DType.FIXED + step.shape().toString());
      }
    }
    if (left != null) {
      transfers.upload(waiting, flags.address, new int[set.length]);
    }
    if (flags.unused) {
      release(flags);
    }
    return left;
  }

  /** Gives flags of a recording back, once the steps that are queued have been looked at. */
  void free(StepFlags flags) {
    flags.unused = true;
    if (!queued.contains(flags)) {
      release(flags);
    }
  }

  void close() {
    queued.stream().filter(flags -> flags.unused).forEach(this::release);
    queued.clear();
    release(own);
  }

  private void release(StepFlags flags) {
    if (flags.address != 0 && device.alive()) {
      device.note("close", device.kernels().rf_free(device.context(), flags.address));
    }
    flags.address = 0;
  }
}
