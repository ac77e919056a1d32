package org.reformer4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.model.Backends;

class StepComparisonTest {
  @Test
  void printsARatioOfEveryWay() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (Backend backend = Backends.open("reference", BackendOptions.defaults()).backend()) {
      StepComparison.compare(backend, 64, 1, new PrintStream(bytes, true, StandardCharsets.UTF_8));
    }
    List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
    assertEquals(5, lines.size());
    assertTrue(lines.get(0).endsWith("median ratio 1.000"), lines.get(0));
    assertTrue(lines.stream().allMatch(line -> line.contains(" s, median ratio ")), "" + lines);
  }
}
