package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/**
 * Compares what the compiler and the simulator say of every kernel with the tables of
 * docs/kernels.md, so that a kernel that becomes slower is noticed without a card.
 */
class KernelGatesTest {
  /** Registers per thread that a compiler of another version may take more. */
  private static final double REGISTERS = 8;

  /** Share of the bytes and of the sector use that may be lost. */
  private static final double TRAFFIC = 0.02;

  /** Extra wavefronts per shared-memory request. */
  private static final double CONFLICTS = 0.05;

  private static final Pattern ENTRY =
      Pattern.compile(
          "entry function '\\S*?\\d([a-z_]+_kernel)(?:ILi(\\d+)E(Lb1E)?)?\\S*' for 'sm_(\\d+)'");
  private static final Pattern SPILLS =
      Pattern.compile("(\\d+) bytes stack frame, (\\d+) .*, (\\d+)");
  private static final Pattern USED =
      Pattern.compile("Used (\\d+) registers(?:.*?(\\d+) bytes smem)?");

  @Test
  void compiledKernelsTakeNoMoreThanDocumented() throws IOException {
    Path report = gates().resolve("ptxas.txt");
    Assumptions.assumeTrue(Files.exists(report), "nvcc was not found: no CUDA kernels to look at");
    Map<String, double[]> measured = new TreeMap<>();
    double[] current = new double[3];
    int row = 0;
    for (String line : Files.readAllLines(report)) {
      Matcher entry = ENTRY.matcher(line);
      Matcher spills = SPILLS.matcher(line);
      Matcher used = USED.matcher(line);
      if (entry.find()) {
        String second = entry.group(3) == null ? "" : ", true";
        String name =
            entry.group(1) + (entry.group(2) == null ? "" : "<" + entry.group(2) + second + ">");
        current = measured.computeIfAbsent(name, key -> new double[3]);
        row = entry.group(4).equals("80") ? 0 : 1;
      } else if (spills.find()) {
        assertEquals(
            "0 0 0", spills.group(1) + " " + spills.group(2) + " " + spills.group(3), line);
      } else if (used.find()) {
        current[row] = Math.max(current[row], Double.parseDouble(used.group(1)));
        double shared = used.group(2) == null ? 0 : Double.parseDouble(used.group(2));
        current[2] = Math.max(current[2], shared);
      }
    }
    compare("registers", measured, new double[] {REGISTERS, REGISTERS, 0}, "%.0f");
  }

  @Test
  void simulatedKernelsMoveNoMoreThanDocumented() throws IOException {
    Path report = gates().resolve("counters.txt");
    Assumptions.assumeTrue(Files.exists(report), "the native build was skipped");
    Map<String, double[]> measured = new TreeMap<>();
    for (String line : Files.readAllLines(report)) {
      String[] words = line.split(" ");
      double[] values = Arrays.stream(words).skip(1).mapToDouble(Double::parseDouble).toArray();
      measured.put(words[0], values);
    }
    // Sector use is better when larger: a negative allowance says so.
    compare("traffic", measured, new double[] {TRAFFIC, -TRAFFIC, CONFLICTS}, "%.2f");
  }

  private static Path gates() {
    String install = System.getProperty("reformer.native.install");
    Assumptions.assumeTrue(install != null, "reformer.native.install is not set");
    return Path.of(install, "gates");
  }

  private static void compare(
      String table, Map<String, double[]> measured, double[] allowances, String format)
      throws IOException {
    Map<String, double[]> documented = documented(table);
    List<String> rows = new ArrayList<>();
    measured.forEach((name, values) -> rows.add(row(name, values, format)));
    String advice =
        "; if this is meant, docs/kernels.md should say:\n" + String.join("\n", rows) + "\n";
    assertEquals(
        documented.keySet(), measured.keySet(), () -> "kernels of table " + table + advice);
    measured.forEach(
        (name, values) -> {
          double[] limits = documented.get(name);
          for (int i = 0; i < limits.length; i++) {
            double allowance = allowances[i];
            // Shares are relative to what is documented, registers and conflicts absolute.
            double slack = Math.abs(allowance) == TRAFFIC ? allowance * limits[i] : allowance;
            boolean worse =
                allowance < 0 ? values[i] < limits[i] + slack : values[i] > limits[i] + slack;
            assertTrue(
                !worse, name + " is worse than documented: " + row(name, values, format) + advice);
          }
        });
  }

  /** Reads the rows between a marker and the next empty line of docs/kernels.md. */
  private static Map<String, double[]> documented(String table) throws IOException {
    Path file = Path.of("..", "docs", "kernels.md");
    Map<String, double[]> rows = new TreeMap<>();
    boolean inside = false;
    for (String line : Files.readAllLines(file)) {
      if (line.equals("<!-- gate: " + table + " -->")) {
        inside = true;
      } else if (line.isEmpty()) {
        inside = false;
      } else if (inside && line.startsWith("| `")) {
        String[] cells = line.substring(2, line.length() - 2).split(" \\| ");
        double[] values = Arrays.stream(cells).skip(1).mapToDouble(Double::parseDouble).toArray();
        rows.put(cells[0].replace("`", ""), values);
      }
    }
    assertTrue(!rows.isEmpty(), file + " has no table marked <!-- gate: " + table + " -->");
    return rows;
  }

  private static String row(String name, double[] values, String format) {
    StringBuilder text = new StringBuilder("| `" + name + "` |");
    for (double value : values) {
      text.append(' ').append(String.format(Locale.ROOT, format, value)).append(" |");
    }
    return text.toString();
  }
}
