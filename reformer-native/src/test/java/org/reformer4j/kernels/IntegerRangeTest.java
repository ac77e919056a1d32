package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class IntegerRangeTest {
  @Test
  void indices() {
    assertTrue(IntegerRange.of(new int[] {0, 4, 2}).within(5));
    assertFalse(IntegerRange.of(new int[] {0, 5}).within(5));
    assertFalse(IntegerRange.of(new int[] {0, -1, 3}).within(5));
    assertTrue(IntegerRange.of(new int[0]).within(1));
  }

  @Test
  void targetsOfWhichSomeAreIgnored() {
    assertTrue(IntegerRange.of(new int[] {-100, 4, -100}).within(5, -100));
    assertTrue(IntegerRange.of(new int[] {3}).within(5, -100));
    assertFalse(IntegerRange.of(new int[] {-100, 4, -1}).within(5, -100));
    assertFalse(IntegerRange.of(new int[] {-1, 4, -100}).within(5, -1));
    assertFalse(IntegerRange.of(new int[] {-1, 4}).within(5, -100));
    assertFalse(IntegerRange.of(new int[] {-100, 5}).within(5, -100));
    // An ignored number beyond the range is the device's to judge.
    assertFalse(IntegerRange.of(new int[] {0, 7}).within(5, 7));
    assertTrue(IntegerRange.of(new int[] {Integer.MIN_VALUE}).within(5, Integer.MIN_VALUE));
  }
}
