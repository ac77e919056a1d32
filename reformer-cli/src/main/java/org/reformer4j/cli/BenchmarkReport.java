package org.reformer4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.reformer4j.api.Backend;

/**
 * The results as JSON and as lines for people. The file is written anew after every measurement, so
 * that a run that is killed leaves what it has measured.
 */
final class BenchmarkReport {
  static final String FILE = "benchmark.json";

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final ObjectNode root = JSON.createObjectNode();
  private final Path folder;
  private final PrintWriter out;
  private int measured;

  /**
   * Begins a report; makes the folder.
   *
   * @param folder where the file goes
   * @param out gets a line per measurement
   * @param backend what is measured
   * @param command the arguments of the command
   */
  BenchmarkReport(Path folder, PrintWriter out, Backend backend, List<String> command) {
    this.folder = folder;
    this.out = out;
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make the folder --out " + folder + ": " + e, e);
    }
    RunEnvironment.describe(root, backend, command);
    for (BenchmarkPart part : BenchmarkPart.values()) {
      root.putArray(part.key());
    }
    root.putArray("cut");
    root.putArray("failed");
  }

  /** Returns everything so far. */
  ObjectNode root() {
    return root;
  }

  /** Returns the number of measurements. */
  int measured() {
    return measured;
  }

  /** Prints a line. */
  void line(String text) {
    out.println(text);
    out.flush();
  }

  /** Adds a measurement. */
  void add(BenchmarkPart part, ObjectNode entry, String line) {
    ((ArrayNode) root.get(part.key())).add(entry);
    measured++;
    line(line);
    write();
  }

  /** Notes what there was no time for. */
  void cut(String what) {
    ((ArrayNode) root.get("cut")).add(what);
    line("cut, no time left: " + what);
    write();
  }

  /** Notes what the backend refused. */
  void failed(String what, RuntimeException reason) {
    ObjectNode entry = ((ArrayNode) root.get("failed")).addObject();
    entry.put("what", what);
    entry.put("reason", reason.getMessage());
    line("failed: " + what + ": " + reason.getMessage());
    write();
  }

  /** Writes the file. */
  void write() {
    try {
      JSON.writeValue(folder.resolve(FILE).toFile(), root);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + folder.resolve(FILE) + ": " + e, e);
    }
  }

  static ObjectNode entry() {
    return JSON.createObjectNode();
  }
}
