package org.reformer4j.api;

/**
 * What a caller decides about a backend when it opens it.
 *
 * @param threads threads to compute with, at least 1; results are the same bits for any number
 * @param memoryLimitBytes most bytes that the tensors of this backend may take in all
 * @param recordings whether a backend that gains by recordings offers them: {@link Backend#records}
 */
public record BackendOptions(int threads, long memoryLimitBytes, boolean recordings) {
  /** Checks the ranges. */
  public BackendOptions {
    if (threads < 1 || threads > 4096) {
      throw new IllegalArgumentException("threads must be in 1..4096, got " + threads);
    }
    if (memoryLimitBytes < 1) {
      throw new IllegalArgumentException(
          "memoryLimitBytes must be positive, got " + memoryLimitBytes);
    }
  }

  /**
   * Makes options of a backend that offers recordings where it gains by them.
   *
   * @param threads threads to compute with, at least 1
   * @param memoryLimitBytes most bytes that the tensors of this backend may take in all
   */
  public BackendOptions(int threads, long memoryLimitBytes) {
    this(threads, memoryLimitBytes, true);
  }

  /** Returns one thread per processor and no limit of our own on memory. */
  public static BackendOptions defaults() {
    return new BackendOptions(Runtime.getRuntime().availableProcessors(), Long.MAX_VALUE);
  }

  /**
   * Returns these options with another number of threads.
   *
   * @param threads threads to compute with, at least 1
   */
  public BackendOptions withThreads(int threads) {
    return new BackendOptions(threads, memoryLimitBytes, recordings);
  }

  /**
   * Returns these options with or without recordings, which change no bit of a result.
   *
   * @param recordings whether a backend that gains by them offers them
   */
  public BackendOptions withRecordings(boolean recordings) {
    return new BackendOptions(threads, memoryLimitBytes, recordings);
  }
}
