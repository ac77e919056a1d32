package org.reformer4j.api;

/** A checkpoint that cannot be read or written; the message lists all discrepancies at once. */
public final class CheckpointException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message the file and everything that is wrong with it
   */
  public CheckpointException(String message) {
    super(message);
  }

  /**
   * Creates the exception.
   *
   * @param message the file and everything that is wrong with it
   * @param cause the underlying failure
   */
  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
