package org.reformer4j.api;

import java.util.Objects;

/**
 * Whether a backend can be used on this machine, and why (not).
 *
 * @param name the backend's name, such as {@code reference}
 * @param available whether {@link BackendProvider#open} is expected to succeed
 * @param reason for a usable backend what it runs on, otherwise the root cause of the refusal
 */
public record BackendStatus(String name, boolean available, String reason) {
  /** Checks that nothing is missing. */
  public BackendStatus {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(reason, "reason");
  }
}
