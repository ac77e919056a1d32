package org.reformer4j.api;

/**
 * Operations that were issued once and can be issued again at the cost of one; on CUDA a graph.
 * Made by {@link Backend#record}, used by the thread that uses the backend.
 */
public interface Recording extends AutoCloseable {
  /**
   * Issues the operations again, on the same tensors, with what these hold now.
   *
   * @throws IllegalStateException if the recording or its backend is closed
   */
  void replay();

  /** Gives back what the operations needed beside their tensors. Idempotent. */
  @Override
  void close();
}
