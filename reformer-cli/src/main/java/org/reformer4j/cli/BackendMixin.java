package org.reformer4j.cli;

import java.io.PrintWriter;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.model.Backends;
import picocli.CommandLine.Option;

/** Where a command computes: options that every command takes. */
final class BackendMixin {
  @Option(
      names = "--backend",
      paramLabel = "NAME",
      defaultValue = Backends.AUTO,
      description =
          "Where to compute: auto, reference, cpu or cuda (default: ${DEFAULT-VALUE})."
              + " 'reformer doctor' says which can be used here.")
  private String name;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description =
          "Threads to compute with (default: one per processor). Results do not depend on it.")
  private Integer threads;

  @Option(
      names = "--no-recordings",
      description =
          "Issue every decoding step operation by operation where it would be replayed, as a CUDA"
              + " graph. Results do not depend on it.")
  private boolean noRecordings;

  /** Opens the backend, which the caller closes, and says which one it is. */
  Backend open(PrintWriter err) {
    Backends.Choice choice = Backends.open(name, options());
    choice
        .refused()
        .forEach(status -> err.println("backend " + status.name() + ": " + status.reason()));
    err.println("backend " + choice.backend().name() + ": " + choice.backend().description());
    return choice.backend();
  }

  String name() {
    return name;
  }

  BackendOptions options() {
    BackendOptions defaults = BackendOptions.defaults().withRecordings(!noRecordings);
    return threads == null ? defaults : defaults.withThreads(threads);
  }
}
