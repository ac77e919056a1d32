package org.reformer4j.model.generate;

import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * What comes of a text, piece by piece, computed when asked for. Opens the decoder with the first
 * step, and closes it at the end, at an error or when closed.
 */
final class Pieces<T> implements AutoCloseable {
  private final Supplier<Continuation> start;
  private final Function<Continuation, Optional<T>> piece;
  private Continuation continuation;
  private boolean ended;

  Pieces(Supplier<Continuation> start, Function<Continuation, Optional<T>> piece) {
    this.start = start;
    this.piece = piece;
  }

  /** Takes one step of the text; not every one makes a piece. */
  Optional<T> step() {
    if (ended) {
      return Optional.empty();
    }
    boolean done = false;
    try {
      if (continuation == null) {
        continuation = start.get();
      }
      continuation.advance();
      Optional<T> result = piece.apply(continuation);
      done = !continuation.ended();
      return result;
    } finally {
      if (!done) {
        close();
      }
    }
  }

  /** Returns whether there are no more steps. */
  boolean ended() {
    return ended;
  }

  /** Returns a stream of the pieces that are left; closing it closes these. */
  Stream<T> stream() {
    Spliterator<T> pull =
        new Spliterators.AbstractSpliterator<>(
            Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL) {
          @Override
          public boolean tryAdvance(Consumer<? super T> action) {
            Optional<T> next = Optional.empty();
            while (next.isEmpty() && !ended) {
              next = step();
            }
            next.ifPresent(action);
            return next.isPresent();
          }

          /** A text has one order, and its model one thread: a parallel stream gets no parts. */
          @Override
          public Spliterator<T> trySplit() {
            return null;
          }
        };
    return StreamSupport.stream(pull, false).onClose(this::close);
  }

  @Override
  public void close() {
    ended = true;
    if (continuation != null) {
      continuation.close();
    }
  }
}
