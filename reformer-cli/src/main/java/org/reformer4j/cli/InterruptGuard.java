package org.reformer4j.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Turns Ctrl-C into a request to stop, and holds the process until the work has been saved. */
final class InterruptGuard {
  private static final long PATIENCE_SECONDS = 120;

  private InterruptGuard() {}

  /**
   * Runs some work.
   *
   * @param work what to run
   * @param stop asks the work to stop soon; called by another thread
   */
  static <T> T run(Supplier<T> work, Runnable stop) {
    CountDownLatch finished = new CountDownLatch(1);
    Thread hook = new Thread(() -> stopAndWait(stop, finished), "reformer-interrupt");
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      return work.get();
    } finally {
      finished.countDown();
      // While the process ends, the hook is running already and cannot be removed.
      if (!hook.isAlive()) {
        remove(hook);
      }
    }
  }

  private static void stopAndWait(Runnable stop, CountDownLatch finished) {
    stop.run();
    try {
      finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void remove(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process began to end just now; the hook finds the work finished.
      Thread.yield();
    }
  }
}
