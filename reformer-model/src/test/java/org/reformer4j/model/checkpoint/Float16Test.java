package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class Float16Test {
  @Test
  void allNumbersSurvive() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      float value = Float16.fromBits((short) bits);
      if (Float.isNaN(value)) {
        assertTrue(Float.isNaN(Float16.fromBits(Float16.toBits(value))));
      } else {
        assertEquals((short) bits, Float16.toBits(value), value + "");
      }
    }
  }

  @Test
  void knownNumbers() {
    assertEquals(0x3C00, Float16.toBits(1f));
    assertEquals((short) 0xC000, Float16.toBits(-2f));
    assertEquals(0x7BFF, Float16.toBits(65504f));
    assertEquals(0x7BFF, Float16.toBits(65519.996f));
    assertEquals(0x7C00, Float16.toBits(65520f));
    assertEquals((short) 0xFC00, Float16.toBits(Float.NEGATIVE_INFINITY));
    assertEquals(1, Float16.toBits(0x1p-24f));
    assertEquals(0, Float16.toBits(0x1p-25f), "half of the smallest, to even");
    assertEquals(1, Float16.toBits(Math.nextUp(0x1p-25f)));
    assertEquals((short) 0x8000, Float16.toBits(-0f));
    assertEquals(0x400, Float16.toBits(0x1p-14f));
    assertEquals(0x400, Float16.toBits(Math.nextDown(0x1p-14f)), "carries into the normal ones");
  }

  /** The halves between all neighbours go to the even one, and what is beside them to the near. */
  @Test
  void roundsToNearestEven() {
    for (int bits = 0; bits < 0x7BFF; bits++) {
      float below = Float16.fromBits((short) bits);
      float above = Float16.fromBits((short) (bits + 1));
      float half = (below + above) / 2;
      int even = bits + (bits & 1);
      assertEquals((short) even, Float16.toBits(half));
      assertEquals((short) bits, Float16.toBits(Math.nextDown(half)));
      assertEquals((short) (bits + 1), Float16.toBits(Math.nextUp(half)));
    }
  }

  @Test
  void signIsSymmetric() {
    Random random = new Random(3);
    for (int i = 0; i < 100_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt() & 0x7FFFFFFF);
      if (!Float.isNaN(value)) {
        assertEquals((short) (Float16.toBits(value) | 0x8000), Float16.toBits(-value));
      }
    }
  }
}
