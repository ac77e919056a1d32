package org.reformer4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.reformer4j.api.Backend;

/** What figures depend on besides the measured code: command, machine, Java and backend. */
final class RunEnvironment {
  private RunEnvironment() {}

  /**
   * Adds it to a report.
   *
   * @param root the report
   * @param backend what computes
   * @param command the arguments of the command
   */
  static void describe(ObjectNode root, Backend backend, List<String> command) {
    root.put("version", Version.library());
    root.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
    root.put("command", "reformer " + String.join(" ", command));
    ObjectNode machine = root.putObject("machine");
    machine.put("processor", processor());
    machine.put("processors", Runtime.getRuntime().availableProcessors());
    machine.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
    if (system instanceof com.sun.management.OperatingSystemMXBean known) {
      machine.put("memory_bytes", known.getTotalMemorySize());
    }
    ObjectNode jvm = root.putObject("jvm");
    jvm.put("version", Runtime.version().toString());
    jvm.put("name", System.getProperty("java.vm.name"));
    jvm.put("heap_bytes", Runtime.getRuntime().maxMemory());
    ObjectNode device = root.putObject("backend");
    device.put("name", backend.name());
    device.put("description", backend.description());
  }

  private static String processor() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/cpuinfo"))) {
        if (line.startsWith("model name")) {
          return line.substring(line.indexOf(':') + 1).strip();
        }
      }
    } catch (IOException e) {
      // Other systems have no such file; the architecture says enough.
      return System.getProperty("os.arch");
    }
    return System.getProperty("os.arch");
  }
}
