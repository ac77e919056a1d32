package org.reformer4j.model.experiment;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.model.experiment.DuplicationTask.Split;

class DuplicationTaskTest {
  private static final DuplicationTask TASK = new DuplicationTask(64, 127, 5, Split.TRAINING);

  @Test
  void aSequenceIsZeroWordZeroWord() {
    for (long number : new long[] {0, 1, 1L << 40}) {
      int[] ids = TASK.sequence(number);
      assertEquals(64, ids.length);
      assertEquals(0, ids[0]);
      assertEquals(0, ids[32]);
      for (int i = 1; i < 32; i++) {
        assertTrue(ids[i] >= 1 && ids[i] <= 127, "symbol " + ids[i]);
        assertEquals(ids[i], ids[32 + i]);
      }
    }
  }

  /** 31,000 draws of 127 symbols: 244 of each, 15.6 the standard deviation. */
  @Test
  void symbolsAreEquallyLikely() {
    int[] counts = new int[128];
    for (int n = 0; n < 1000; n++) {
      Arrays.stream(TASK.sequence(n)).limit(32).forEach(id -> counts[id]++);
    }
    assertEquals(1000, counts[0]);
    for (int symbol = 1; symbol < 128; symbol++) {
      assertEquals(244, counts[symbol], 5 * 15.6, "symbol " + symbol);
    }
  }

  @Test
  void sequencesAreRepeatableAndDiffer() {
    int[] one = TASK.sequence(7);
    assertArrayEquals(one, new DuplicationTask(64, 127, 5, Split.TRAINING).sequence(7));
    assertFalse(Arrays.equals(one, TASK.sequence(8)));
    assertFalse(Arrays.equals(one, new DuplicationTask(64, 127, 6, Split.TRAINING).sequence(7)));
    assertFalse(Arrays.equals(one, new DuplicationTask(64, 127, 5, Split.EVALUATION).sequence(7)));
  }

  @ParameterizedTest
  @CsvSource({"7, 5, even", "2, 5, at least 4", "8, 0, symbols"})
  void mistakes(int length, int symbols, String message) {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> new DuplicationTask(length, symbols, 0, Split.TRAINING));
    assertTrue(e.getMessage().contains(message), e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> TASK.sequence(-1));
  }
}
