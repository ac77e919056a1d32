package org.reformer4j.api;

/**
 * A tensor did not fit; the message names the bytes asked for, those in use, and what to change.
 */
public final class OutOfDeviceMemoryException extends BackendException {
  private static final long serialVersionUID = 1L;

  /**
   * Creates the exception.
   *
   * @param message asked, free, total and live bytes, and the knob to turn
   */
  public OutOfDeviceMemoryException(String message) {
    super("allocate", 0, false, message);
  }
}
