package org.reformer4j.api;

/** A contiguous block of one backend's memory; only that backend looks inside. */
public interface Storage {
  /** Returns the number of elements. */
  long elements();
}
