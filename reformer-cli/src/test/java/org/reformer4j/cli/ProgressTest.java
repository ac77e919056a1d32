package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.StepReport;

class ProgressTest {
  private static final StepReport FIRST = report(999, 3661);
  private static final StepReport SECOND = report(1000, 0.2);
  private static final EvaluationReport EVALUATION =
      new EvaluationReport(1000, 2 * Math.log(2), 4096);

  private final StringWriter shown = new StringWriter();

  private static StepReport report(long step, double left) {
    return new StepReport(step, 1000, Math.log(2), 1e-3, 1, 12345.6, 35_651_584, 10, left);
  }

  private String show(boolean terminal) {
    Progress progress = new Progress(new PrintWriter(shown), terminal, false);
    progress.step(FIRST);
    progress.step(SECOND);
    progress.evaluated(EVALUATION);
    progress.saved(1000, Path.of("runs"));
    progress.endLine();
    return shown.toString().replace(System.lineSeparator(), "\n");
  }

  @Test
  void plainLinesWithoutTerminal() {
    assertEquals(
        """
        step 999/1000  loss 0.693  1.000 bits/byte  12346 tok/s  peak 36 MB  left 1h01m
        step 1000/1000  loss 0.693  1.000 bits/byte  12346 tok/s  peak 36 MB  left 0m00s
        step 1000  held-out loss 1.3863  2.0000 bits/byte
        step 1000  saved runs
        """,
        show(false));
  }

  @Test
  void terminalRewritesLineAndKeepsEvaluations() {
    String evaluation = "step 1000  held-out loss 1.3863  2.0000 bits/byte";
    String last =
        "step 1000/1000  loss 0.693  1.000 bits/byte  12346 tok/s  peak 36 MB  left 0m00s";
    assertEquals(
        "\rstep 999/1000  loss 0.693  1.000 bits/byte  12346 tok/s  peak 36 MB  left 1h01m"
            + "\r"
            + last
            + "\r"
            + evaluation
            + " ".repeat(last.length() - evaluation.length())
            + "\n",
        show(true));
  }

  @Test
  void lineFitsTerminal() {
    assertTrue(new Progress(new PrintWriter(shown), false, false).format(FIRST).length() < 80);
  }
}
