package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.reformer4j.model.experiment.DuplicationTask;
import org.reformer4j.model.experiment.DuplicationTask.Split;

/** What of the duplication task is learnt: only a batch knows its targets. */
class DuplicationBatchTest {
  @Test
  void onlyTheSecondWordHasTargets() {
    DuplicationTask task = new DuplicationTask(8, 5, 3, Split.TRAINING);
    Batch batch = task.batch(4, 2);
    int no = Batch.IGNORE;
    int[] a = task.sequence(4);
    int[] b = task.sequence(5);
    assertArrayEquals(
        new int[] {
          a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], b[0], b[1], b[2], b[3], b[4], b[5], b[6],
          b[7]
        },
        batch.ids());
    assertArrayEquals(
        new int[] {no, no, no, no, a[5], a[6], a[7], no, no, no, no, no, b[5], b[6], b[7], no},
        batch.targetsOrNull());
    assertEquals(2 * task.counted(), batch.targetCount());
  }
}
