package org.reformer4j.api;

/** Found by {@link java.util.ServiceLoader}; one per backend. */
public interface BackendProvider {
  /** Returns the backend's name, as given to {@code --backend}. */
  String name();

  /**
   * Returns the preference: {@code auto} takes the highest usable one (cuda 300, cpu 200, reference
   * 100).
   */
  int preference();

  /** Says whether this backend can be used here; never throws and never prints. */
  BackendStatus probe();

  /**
   * Opens the backend.
   *
   * @param options threads and memory
   * @return a backend that the caller closes
   * @throws BackendException if the device refuses
   */
  Backend open(BackendOptions options);
}
