package org.reformer4j.model.generate;

import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * Publishes pieces of a text by the rules of Reactive Streams. Computes only what has been
 * requested: {@code SubmissionPublisher} would fill its buffer first. Each subscriber gets a text
 * of its own. All work and all signals run on the executor.
 */
final class PiecesPublisher<T> implements Flow.Publisher<T> {
  private final Supplier<Pieces<T>> texts;
  private final Executor executor;

  PiecesPublisher(Supplier<Pieces<T>> texts, Executor executor) {
    this.texts = texts;
    this.executor = Objects.requireNonNull(executor, "executor");
  }

  @Override
  public void subscribe(Flow.Subscriber<? super T> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    new Run<>(subscriber, texts.get(), executor).schedule();
  }

  private static final class Run<T> implements Flow.Subscription, Runnable {
    private final Flow.Subscriber<? super T> subscriber;
    private final Pieces<T> pieces;
    private final Executor executor;
    private final AtomicLong demand = new AtomicLong();

    /** Calls that wait for a pass of {@link #run}; whoever makes it more than 0 schedules one. */
    private final AtomicInteger calls = new AtomicInteger();

    private volatile boolean cancelled;
    private volatile boolean badRequest;
    private boolean subscribed;
    private boolean done;

    Run(Flow.Subscriber<? super T> subscriber, Pieces<T> pieces, Executor executor) {
      this.subscriber = subscriber;
      this.pieces = pieces;
      this.executor = executor;
    }

    @Override
    public void request(long n) {
      if (n <= 0) {
        badRequest = true;
      } else {
        demand.accumulateAndGet(n, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
      }
      schedule();
    }

    @Override
    public void cancel() {
      cancelled = true;
      schedule();
    }

    void schedule() {
      if (calls.getAndIncrement() == 0) {
        try {
          executor.execute(this);
        } catch (RejectedExecutionException e) {
          // Nobody else works on this text: it can be ended here.
          refuse(e);
        }
      }
    }

    private void refuse(RejectedExecutionException reason) {
      if (done) {
        return;
      }
      if (!subscribed) {
        subscribed = true;
        subscriber.onSubscribe(this);
      }
      end();
      if (!cancelled) {
        subscriber.onError(reason);
      }
    }

    @Override
    public void run() {
      boolean passed = false;
      try {
        int seen = calls.get();
        while (seen != 0) {
          pass();
          seen = calls.addAndGet(-seen);
        }
        passed = true;
      } finally {
        if (!passed) {
          // The subscriber threw: by the rules it counts as cancelled.
          end();
        }
      }
    }

    /** Works until the text ends or nothing more is requested. */
    private void pass() {
      if (!subscribed) {
        subscribed = true;
        subscriber.onSubscribe(this);
      }
      while (!done) {
        if (cancelled) {
          end();
        } else if (badRequest) {
          fail(new IllegalArgumentException("request a positive number of elements"));
        } else if (pieces.ended()) {
          end();
          subscriber.onComplete();
        } else if (demand.get() == 0) {
          return;
        } else {
          step();
        }
      }
    }

    private void step() {
      Optional<T> piece;
      try {
        piece = pieces.step();
      } catch (RuntimeException | Error e) {
        fail(e);
        return;
      }
      if (piece.isPresent() && !cancelled) {
        demand.updateAndGet(n -> n == Long.MAX_VALUE ? n : n - 1);
        subscriber.onNext(piece.get());
      }
    }

    private void fail(Throwable reason) {
      end();
      subscriber.onError(reason);
    }

    private void end() {
      done = true;
      pieces.close();
    }
  }
}
