package org.reformer4j.model.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class AccuracyTableTest {
  private static final AttentionSetting FULL = AttentionSetting.FULL;
  private static final AttentionSetting TWO = new AttentionSetting(2);

  private final AccuracyTable table = new AccuracyTable(List.of(FULL, TWO), List.of(TWO, FULL));

  @Test
  void cellsShowMeanLeastAndGreatest() {
    table.add(FULL, TWO, 0.25);
    table.add(TWO, TWO, 0.99);
    table.add(TWO, TWO, 0.97004);
    table.add(TWO, TWO, 1);
    assertEquals(
        """
        | trained \\ evaluated | LSH-2 | full |
        |---|---|---|
        | full | 25.00 | - |
        | LSH-2 | 98.67 (97.00-100.00) | - |
        """,
        table.markdown());
    assertEquals(List.of(0.99, 0.97004, 1.0), table.accuracies(TWO, TWO));
    assertEquals(List.of(), table.accuracies(TWO, FULL));
  }

  @Test
  void thereAreNoOtherCells() {
    assertThrows(
        IllegalArgumentException.class, () -> table.add(FULL, new AttentionSetting(3), 0.5));
  }
}
