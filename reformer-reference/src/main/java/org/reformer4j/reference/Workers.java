package org.reformer4j.reference;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A fixed set of threads over which outputs are divided statically. */
final class Workers implements AutoCloseable {
  /** Computes the outputs from..to-1. */
  interface Body {
    void run(int from, int to);
  }

  private final int threads;
  private final ExecutorService pool;

  Workers(int threads) {
    this.threads = threads;
    this.pool =
        threads == 1
            ? null
            : Executors.newFixedThreadPool(
                threads - 1,
                task -> {
                  Thread thread = new Thread(task, "reformer-reference");
                  thread.setDaemon(true);
                  return thread;
                });
  }

  int threads() {
    return threads;
  }

  /**
   * Runs the body over 0..count-1, in one piece where a piece would have less than {@code grain}.
   *
   * @param count number of outputs
   * @param grain outputs that are worth a thread
   * @param body computes a run of outputs
   */
  void forRange(int count, int grain, Body body) {
    int pieces = Math.min(threads, Math.max(1, count / Math.max(1, grain)));
    if (pieces <= 1) {
      if (count > 0) {
        body.run(0, count);
      }
      return;
    }
    List<Future<?>> futures = new ArrayList<>(pieces - 1);
    for (int i = 1; i < pieces; i++) {
      int from = bound(count, pieces, i);
      int to = bound(count, pieces, i + 1);
      futures.add(pool.submit(() -> body.run(from, to)));
    }
    RuntimeException failure = null;
    try {
      body.run(0, bound(count, pieces, 1));
    } catch (RuntimeException e) {
      failure = e;
    }
    // All pieces are awaited even after a failure: none may still write when the caller goes on.
    for (Future<?> future : futures) {
      try {
        await(future);
      } catch (RuntimeException e) {
        failure = failure == null ? e : failure;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private static int bound(int count, int pieces, int index) {
    return (int) ((long) count * index / pieces);
  }

  private static void await(Future<?> future) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          future.get();
          return;
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
          if (e.getCause() instanceof Error error) {
            throw error;
          }
          if (e.getCause() instanceof RuntimeException cause) {
            throw cause;
          }
          throw new IllegalStateException(e.getCause());
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @Override
  public void close() {
    if (pool != null) {
      pool.shutdown();
    }
  }
}
