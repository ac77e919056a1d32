package org.reformer4j.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.BackendProvider;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.api.BackendUnavailableException;

/** Finds the backends on the class path and says why one is taken or refused. */
public final class Backends {
  /** Name that stands for the best usable backend. */
  public static final String AUTO = "auto";

  private Backends() {}

  /**
   * An open backend with the reasons for the choice.
   *
   * @param backend the backend, which the caller closes
   * @param refused backends that would have been preferred, with the reason why they were not taken
   */
  public record Choice(Backend backend, List<BackendStatus> refused) {
    /** Copies the list. */
    public Choice {
      refused = List.copyOf(refused);
    }
  }

  /**
   * Opens the best usable backend.
   *
   * @throws BackendUnavailableException if there is none
   */
  public static Backend best() {
    return open(AUTO, BackendOptions.defaults()).backend();
  }

  /**
   * Opens a backend by name, or the best one.
   *
   * @param name a backend's name or {@link #AUTO}
   * @param options threads and memory
   * @throws BackendUnavailableException if it cannot be used here; nothing is tried instead of a
   *     backend asked for by name
   */
  public static Choice open(String name, BackendOptions options) {
    List<BackendStatus> refused = new ArrayList<>();
    for (BackendProvider provider : providers(refused)) {
      if (!name.equals(AUTO) && !name.equals(provider.name())) {
        continue;
      }
      BackendStatus status = provider.probe();
      if (status.available()) {
        try {
          return new Choice(provider.open(options), refused);
        } catch (BackendException e) {
          status = new BackendStatus(provider.name(), false, e.getMessage());
        }
      }
      refused.add(status);
    }
    if (name.equals(AUTO)) {
      throw new BackendUnavailableException("no backend can be used here", refused);
    }
    if (refused.isEmpty()) {
      throw new BackendUnavailableException(
          "there is no backend '" + name + "' on the class path", statuses());
    }
    throw new BackendUnavailableException("backend '" + name + "' cannot be used here", refused);
  }

  /** Returns the state of every backend found, best first. */
  public static List<BackendStatus> statuses() {
    List<BackendStatus> statuses = new ArrayList<>();
    List<BackendProvider> providers = providers(statuses);
    for (BackendProvider provider : providers) {
      statuses.add(provider.probe());
    }
    return statuses;
  }

  /** Loads the providers, best first; one that cannot be loaded is reported, not fatal. */
  private static List<BackendProvider> providers(List<BackendStatus> broken) {
    List<BackendProvider> providers = new ArrayList<>();
    var iterator = ServiceLoader.load(BackendProvider.class).iterator();
    while (true) {
      try {
        if (!iterator.hasNext()) {
          break;
        }
        providers.add(iterator.next());
      } catch (ServiceConfigurationError | LinkageError e) {
        broken.add(new BackendStatus("unknown", false, e.toString()));
      }
    }
    providers.sort(Comparator.comparingInt(BackendProvider::preference).reversed());
    return providers;
  }
}
