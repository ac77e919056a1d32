package org.reformer4j.api;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/** Lets one thread at a time into a backend; a part of every backend. */
public final class ExclusiveUse {
  private final AtomicReference<Thread> user = new AtomicReference<>();

  /**
   * Runs an operation, refusing a second thread while another one is inside.
   *
   * @param op operation, for the message
   * @param body what to do; may come back here
   * @throws IllegalStateException if another thread is inside
   */
  public void run(String op, Runnable body) {
    call(
        op,
        () -> {
          body.run();
          return null;
        });
  }

  /**
   * Runs an operation with a result, refusing a second thread while another one is inside.
   *
   * @param op operation, for the message
   * @param body what to do; may come back here
   * @throws IllegalStateException if another thread is inside
   */
  public <T> T call(String op, Supplier<T> body) {
    Thread self = Thread.currentThread();
    Thread other = user.compareAndExchange(null, self);
    if (other != null && other != self) {
      throw new IllegalStateException(
          op
              + ": this backend is in use by thread '"
              + other.getName()
              + "'; open one backend per thread");
    }
    try {
      return body.get();
    } finally {
      if (other == null) {
        user.set(null);
      }
    }
  }
}
