package org.reformer4j.model.train;

/** The clock of a training. The speed counts steps only, not evaluations and checkpoints. */
final class Progress {
  private final long start = System.nanoTime();
  private long stepStart;
  private long nanosSinceReport;
  private long stepsSinceReport;
  private long tokensSinceReport;

  /**
   * How fast it goes.
   *
   * @param secondsPerStep mean seconds of a step
   * @param tokensPerSecond tokens of all these steps by their seconds
   */
  record Speed(double secondsPerStep, double tokensPerSecond) {}

  void stepBegins() {
    stepStart = System.nanoTime();
  }

  void stepEnds(long tokens) {
    tokensSinceReport += tokens;
    nanosSinceReport += System.nanoTime() - stepStart;
    stepsSinceReport++;
  }

  /** Returns the speed since the last call, which must be at least one step. */
  Speed speed() {
    double seconds = nanosSinceReport * 1e-9;
    Speed speed = new Speed(seconds / stepsSinceReport, tokensSinceReport / seconds);
    nanosSinceReport = 0;
    stepsSinceReport = 0;
    tokensSinceReport = 0;
    return speed;
  }

  double secondsElapsed() {
    return (System.nanoTime() - start) * 1e-9;
  }
}
