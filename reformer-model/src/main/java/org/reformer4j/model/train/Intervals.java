package org.reformer4j.model.train;

/**
 * What happens how often, in steps.
 *
 * @param log steps between reports, at least 1
 * @param evaluate steps between evaluations, 0 for one at the end
 * @param save steps between checkpoints, 0 for one at the end
 * @param evaluationWindows windows of an evaluation, 0 for all
 */
public record Intervals(long log, long evaluate, long save, int evaluationWindows) {
  /** Checks the ranges. */
  public Intervals {
    if (log < 1 || evaluate < 0 || save < 0 || evaluationWindows < 0) {
      throw new IllegalArgumentException(
          "log must be positive and the other intervals not negative, got "
              + log
              + ", "
              + evaluate
              + ", "
              + save
              + ", "
              + evaluationWindows);
    }
  }
}
