package org.reformer4j.tests;

import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.model.Backends;

/** The backends that tests run on: every one that can be used here. */
public final class TestBackends {
  private TestBackends() {}

  /** Returns the names of all usable backends. */
  public static List<String> names() {
    List<BackendStatus> statuses = Backends.statuses();
    statuses.stream()
        .filter(status -> !status.available())
        .forEach(status -> System.out.println("skipped backend " + status));
    return statuses.stream().filter(BackendStatus::available).map(BackendStatus::name).toList();
  }

  /** Opens a backend by name. */
  public static Backend open(String name) {
    return Backends.open(name, BackendOptions.defaults()).backend();
  }

  /** Opens the oracle with one thread per processor. */
  public static Backend reference() {
    return open("reference");
  }

  /** Opens the oracle with a number of threads. */
  public static Backend reference(int threads) {
    return Backends.open("reference", BackendOptions.defaults().withThreads(threads)).backend();
  }
}
