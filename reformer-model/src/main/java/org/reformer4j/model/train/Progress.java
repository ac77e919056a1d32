package org.reformer4j.model.train;

/** The clock of a training. The speed counts steps only, not evaluations and checkpoints. */
final class Progress {
  private final long start = System.nanoTime();
  private long stepStart;
  private long nanosSinceReport;
  private long stepsSinceReport;

  void stepBegins() {
    stepStart = System.nanoTime();
  }

  void stepEnds() {
    nanosSinceReport += System.nanoTime() - stepStart;
    stepsSinceReport++;
  }

  /** Returns the mean seconds of a step since the last call, which must be at least one step. */
  double secondsPerStep() {
    double seconds = nanosSinceReport * 1e-9 / stepsSinceReport;
    nanosSinceReport = 0;
    stepsSinceReport = 0;
    return seconds;
  }

  double secondsElapsed() {
    return (System.nanoTime() - start) * 1e-9;
  }
}
