package org.reformer4j.api;

/** A fault of a backend while it ran an operation. */
public class BackendException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String op;
  private final int code;
  private final boolean fatal;

  /**
   * Creates the exception.
   *
   * @param op the operation that failed
   * @param code the backend's own error number, 0 where it has none
   * @param fatal whether the backend is lost for good
   * @param message operation, shapes and cause in words; when fatal, what still works
   */
  public BackendException(String op, int code, boolean fatal, String message) {
    super(message);
    this.op = op;
    this.code = code;
    this.fatal = fatal;
  }

  /** Returns the operation that failed. */
  public String op() {
    return op;
  }

  /** Returns the backend's own error number, 0 where it has none. */
  public int code() {
    return code;
  }

  /** Returns whether the backend can no longer be used. */
  public boolean fatal() {
    return fatal;
  }
}
