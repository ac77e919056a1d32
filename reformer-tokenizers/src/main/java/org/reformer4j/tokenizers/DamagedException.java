package org.reformer4j.tokenizers;

/** Content that an engine must not see; the message goes on from the name of a file. */
final class DamagedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  DamagedException(String message) {
    super(message);
  }
}
