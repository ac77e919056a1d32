package org.reformer4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * Times calls within a budget: warm-up, then the median. A call starts only if it will probably end
 * in time, judged by the rate of the calls before it.
 */
final class BenchmarkTimer {
  /** Warm-up ends after this many seconds, or this many calls. */
  private static final double WARM_SECONDS = 0.5;

  private static final int WARM_CALLS = 8;

  /** The first calls in the life of a JVM are slower than their rate promises. */
  private static final double CAUTION = 1.3;

  /**
   * What was measured.
   *
   * @param seconds median
   * @param fastest the least
   * @param slowest the most
   * @param repeats calls that count
   * @param warm whether a call before them was thrown away; else the budget allowed only one
   */
  record Timing(double seconds, double fastest, double slowest, int repeats, boolean warm) {}

  private final LongSupplier clock;
  private final long end;
  private final long start;
  private final int repeats;

  /**
   * Starts the budget.
   *
   * @param clock gives nanoseconds
   * @param budgetSeconds seconds until no call may start
   * @param repeats most calls that count
   */
  BenchmarkTimer(LongSupplier clock, double budgetSeconds, int repeats) {
    this.clock = clock;
    this.start = clock.getAsLong();
    this.end = start + (long) (budgetSeconds * 1e9);
    this.repeats = repeats;
  }

  /** Returns the seconds since the start. */
  double elapsed() {
    return (clock.getAsLong() - start) * 1e-9;
  }

  /** Returns whether something that takes so many seconds will end in time. */
  boolean fits(double seconds) {
    return clock.getAsLong() + seconds * CAUTION * 1e9 < end;
  }

  /**
   * Times.
   *
   * @param expected seconds of a call, 0 if unknown
   * @param call waits for the device before it returns
   * @return empty if there is no time for a single call
   */
  Optional<Timing> time(double expected, Runnable call) {
    if (!fits(expected)) {
      return Optional.empty();
    }
    double last = once(call);
    double spent = last;
    for (int i = 1; i < WARM_CALLS && spent < WARM_SECONDS && fits(last); i++) {
      last = once(call);
      spent += last;
    }
    List<Double> times = new ArrayList<>();
    while (times.size() < repeats && fits(last)) {
      last = once(call);
      times.add(last);
    }
    boolean warm = !times.isEmpty();
    if (!warm) {
      times.add(last);
    }
    times.sort(null);
    return Optional.of(
        new Timing(
            times.get(times.size() / 2),
            times.get(0),
            times.get(times.size() - 1),
            times.size(),
            warm));
  }

  private double once(Runnable call) {
    long from = clock.getAsLong();
    call.run();
    return (clock.getAsLong() - from) * 1e-9;
  }
}
