package org.reformer4j.api;

import java.util.List;

/** No backend, or not the one asked for, can be used here. */
public final class BackendUnavailableException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient List<BackendStatus> tried;

  /**
   * Creates the exception.
   *
   * @param message what was asked for; the reasons of every backend tried are appended
   * @param tried every backend looked at, with the reason why it was refused
   */
  public BackendUnavailableException(String message, List<BackendStatus> tried) {
    super(message + describe(tried));
    this.tried = List.copyOf(tried);
  }

  /** Returns every backend looked at, in the order of preference. */
  public List<BackendStatus> tried() {
    return tried == null ? List.of() : tried;
  }

  private static String describe(List<BackendStatus> tried) {
    if (tried.isEmpty()) {
      return ": no backend is on the class path; add org.reformer4j:reformer-reference";
    }
    StringBuilder text = new StringBuilder();
    for (BackendStatus status : tried) {
      text.append("; ").append(status.name()).append(": ").append(status.reason());
    }
    return text.toString();
  }
}
