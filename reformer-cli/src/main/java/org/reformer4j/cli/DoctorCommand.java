package org.reformer4j.cli;

import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.model.Backends;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Says what this machine offers and what is missing. */
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description = "List backends, versions, threads and memory, and why a backend is not usable.",
    footerHeading = "%nExample:%n",
    footer = "  reformer doctor")
final class DoctorCommand implements Callable<Integer> {
  private static final long SMALL_HEAP = 1L << 30;

  /** Backends that the library has or plans; those not on the class path are named, too. */
  private static final List<String> KNOWN = List.of("cuda", "cpu", "reference");

  @Mixin private BackendMixin backends;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    out.println("reformer   " + Version.library());
    out.println(
        "Java       " + Runtime.version() + " (" + System.getProperty("java.vm.name") + ")");
    out.println(
        "system     " + System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    out.println(
        "threads    "
            + backends.options().threads()
            + " of "
            + Runtime.getRuntime().availableProcessors()
            + " processors");
    long heap = Runtime.getRuntime().maxMemory();
    out.println("memory     " + gigabytes(heap) + " Java heap (-Xmx)" + physical());
    List<BackendStatus> statuses = Backends.statuses();
    String chosen =
        statuses.stream()
            .filter(BackendStatus::available)
            .map(BackendStatus::name)
            .findFirst()
            .orElse(null);
    for (BackendStatus status : statuses) {
      out.println(
          "backend    "
              + status.name()
              + ": "
              + (status.available() ? "usable" : "not usable")
              + ": "
              + status.reason()
              + (status.name().equals(chosen) ? "  <- auto" : ""));
    }
    for (String name : KNOWN) {
      if (statuses.stream().noneMatch(status -> status.name().equals(name))) {
        out.println("backend    " + name + ": not usable: not part of this build");
      }
    }
    if (heap < SMALL_HEAP) {
      out.println("advice     the heap is small: set REFORMER_JAVA_OPTS=-Xmx2g for larger models");
    }
    return chosen == null ? Main.FAILED : 0;
  }

  private static String physical() {
    OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
    return system instanceof com.sun.management.OperatingSystemMXBean machine
        ? " of " + gigabytes(machine.getTotalMemorySize()) + " physical memory"
        : "";
  }

  private static String gigabytes(long bytes) {
    return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
  }
}
