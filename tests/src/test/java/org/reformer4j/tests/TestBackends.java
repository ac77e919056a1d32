package org.reformer4j.tests;

import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.model.Backends;

/** The backends that tests run on: every one that can be used here. */
public final class TestBackends {
  private TestBackends() {}

  /** Has only some operations until a later release; package org.reformer4j.cuda tests those. */
  private static final String INCOMPLETE = "cuda";

  /** Returns the backends that have all operations, usable or not. */
  static List<BackendStatus> statuses() {
    return Backends.statuses().stream().filter(s -> !s.name().equals(INCOMPLETE)).toList();
  }

  /** Returns the names of all usable backends that have all operations. */
  public static List<String> names() {
    List<BackendStatus> statuses = statuses();
    statuses.stream()
        .filter(status -> !status.available())
        .forEach(status -> System.out.println("skipped backend " + status));
    return statuses.stream().filter(BackendStatus::available).map(BackendStatus::name).toList();
  }

  /** Returns every usable backend with every one of these cases, for parameterised tests. */
  public static Stream<Arguments> with(Collection<?> cases) {
    return names().stream().flatMap(name -> cases.stream().map(c -> Arguments.of(name, c)));
  }

  /** Opens a backend by name. */
  public static Backend open(String name) {
    return Backends.open(name, BackendOptions.defaults()).backend();
  }

  /** Opens a backend by name with a number of threads. */
  public static Backend open(String name, int threads) {
    return Backends.open(name, BackendOptions.defaults().withThreads(threads)).backend();
  }

  /** Opens the oracle with one thread per processor. */
  public static Backend reference() {
    return open("reference");
  }
}
