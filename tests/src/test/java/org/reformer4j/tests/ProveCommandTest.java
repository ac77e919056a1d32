package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.reformer4j.cli.Main;

/** {@code reformer prove} as a user types it. */
class ProveCommandTest {
  private record Result(int code, String out, String err) {
    /** Returns the lines that begin with some words. */
    List<String> lines(String start) {
      return out.lines().filter(line -> line.startsWith(start)).toList();
    }
  }

  private static Result prove(String... more) {
    List<String> args = new ArrayList<>(List.of("prove", "--backend", "reference"));
    args.addAll(List.of("--layers", "local,lsh", "--hidden", "16", "--heads", "2"));
    args.addAll(List.of("--context", "64", "--chunk", "8", "--local-chunk", "8"));
    args.addAll(List.of(more));
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.run(
            new PrintWriter(out, true), new PrintWriter(err, true), args.toArray(String[]::new));
    return new Result(code, out.toString(), err.toString());
  }

  @Test
  void comparisonsArePrintedAndHold() {
    Result result = prove();
    assertEquals(0, result.code(), result.err());
    assertFalse(result.out().contains("BROKEN"), result.out());
    assertTrue(result.lines("exact     0 ").size() >= 5, result.out());
    assertTrue(result.out().contains("the inverse pass rebuilds what the layers got"));
  }

  @Test
  void driftIsPrintedByDepth() {
    Result result = prove("--depths", "4,9");
    assertEquals(0, result.code(), result.err());
    for (String depth : List.of("4", "9")) {
      List<String> lines = result.lines(depth + " ");
      assertEquals(2, lines.size(), result.out());
      String[] floats = lines.get(0).split(" +");
      assertEquals("float", floats[1]);
      assertEquals("float32", floats[2]);
      assertTrue(Double.parseDouble(floats[3]) > 0, result.out());
      assertTrue(Double.parseDouble(floats[4]) > 0, result.out());
      String[] fixed = lines.get(1).split(" +");
      assertEquals(List.of("fixed_point", "float32", "0", "0"), List.of(fixed).subList(1, 5));
    }
  }

  @Test
  void aTrainedModelHasItsDepth() {
    Result result = prove("--depths", "3", "--model", "anywhere");
    assertFalse(result.code() == 0);
    assertTrue(result.err().contains("leave --model out"), result.err());
  }
}
