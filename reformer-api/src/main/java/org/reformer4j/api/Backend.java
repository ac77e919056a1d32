package org.reformer4j.api;

import java.util.Set;

/**
 * One device and one ordered stream of operations: memory plus kernels.
 *
 * <p>Used by one thread at a time; a second thread inside an operation gets an {@link
 * IllegalStateException}. The same seed gives the same bits on the same backend, in every run and
 * for any number of threads.
 */
public interface Backend extends Memory, Kernels, AutoCloseable {
  /** Returns the backend's name, such as {@code reference}. */
  String name();

  /** Returns one line for people: device, threads, instruction set. */
  String description();

  /**
   * Does nothing but independent multiply-adds of floats in registers on all threads, so that
   * whoever takes the time knows the peak of the device.
   *
   * @param rounds how often a thread does a handful of them
   * @return the operations done, a multiply-add as two; 0 where the backend does not offer it
   */
  default double multiplyAdds(long rounds) {
    return 0;
  }

  /**
   * Says by which kernels this attention would be computed: {@code generic} takes every shape,
   * other names are a backend's own. For reports; results do not depend on it beyond rounding.
   *
   * @param spec shape and rules
   * @param type type of queries, keys and values
   */
  default String attentionPath(AttentionSpec spec, DType type) {
    return "generic";
  }

  /**
   * Returns the types of activations that this backend computes on, and of the matrices that they
   * are multiplied by. Residual streams, sums, statistics and gradients of parameters are F32 with
   * each of them.
   */
  default Set<DType> activationTypes() {
    return Set.of(DType.F32);
  }

  /**
   * Says what the operations from now on belong to, so that an error that is found in the middle of
   * a pass, or at the next wait for the device, can name it. Results do not depend on it.
   *
   * @param place in words, such as {@code layer 3, attention}; empty for nothing in particular
   */
  void place(String place);

  /**
   * Returns whether a {@link Recording} is issued at less cost than its operations one by one, as
   * on a GPU.
   */
  default boolean records() {
    return false;
  }

  /**
   * Issues operations and remembers them, so that all of them can be issued again at once.
   *
   * <p>They may allocate in scopes that they close again. They must not upload, download or wait,
   * and the tensors of other scopes that they work on must live as long as the recording. Whether
   * the indices in a tensor are within their bounds is the caller's care: here nobody looks. Where
   * operations are recorded, what they break of this is refused, here or by a replay, with an
   * {@link IllegalStateException}; after it, and after an error of an operation, the backend is as
   * before. A stream of FIXED that leaves its range in a replay is reported by the next wait.
   *
   * @param operations issues them; called a second time where the backend records them then, and
   *     must issue the same again
   * @return the recording
   */
  default Recording record(Runnable operations) {
    operations.run();
    return new RepeatedOperations(operations);
  }

  /** Waits until everything issued so far has been done. */
  void synchronize();

  /** Releases the device. Scopes must have been closed before; leftovers are reported. */
  @Override
  void close();
}
