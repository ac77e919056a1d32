package org.reformer4j.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@link Bfloat16} and {@link FixedPoint} against exact decimal arithmetic. */
class ElementFormatsTest {
  private static float anyFinite(Random random) {
    while (true) {
      float value = Float.intBitsToFloat(random.nextInt());
      if (Float.isFinite(value)) {
        return value;
      }
    }
  }

  @Test
  void sizes() {
    assertEquals(4, DType.F32.bytes());
    assertEquals(2, DType.BF16.bytes());
    assertEquals(4, DType.I32.bytes());
    assertEquals(4, DType.FIXED.bytes());
    assertEquals(1, DType.I8.bytes());
    assertEquals(20, DType.FRACTION_BITS);
  }

  @Test
  void everyBfloat16SurvivesTheWayThroughAFloat() {
    for (int i = 0; i < 1 << 16; i++) {
      float value = Bfloat16.fromBits((short) i);
      assertEquals((i & 0xffff) << 16, Float.floatToRawIntBits(value));
      assertEquals(Float.isNaN(value) ? 0x7fff : (short) i, Bfloat16.toBits(value), "" + i);
    }
  }

  @Test
  void bfloat16IsTheNearestHalvesToEven() {
    assertEquals(0x3f80, Bfloat16.toBits(1f));
    assertEquals(0x3f80, Bfloat16.toBits(1f + 0x1p-8f), "half, even below");
    assertEquals(0x3f82, Bfloat16.toBits(1f + 3 * 0x1p-8f), "half, even above");
    assertEquals(0x3f81, Bfloat16.toBits(1f + 0x1p-8f + 0x1p-23f), "just above half");
    assertEquals((short) 0xbf80, Bfloat16.toBits(-1f - 0x1p-8f));
    assertEquals((short) 0x8000, Bfloat16.toBits(-0f));
    assertEquals(0, Bfloat16.toBits(Float.MIN_VALUE));
    assertEquals(0x7f80, Bfloat16.toBits(Float.POSITIVE_INFINITY));
    assertEquals((short) 0xff80, Bfloat16.toBits(Float.NEGATIVE_INFINITY));
    assertEquals(0x7f80, Bfloat16.toBits(Float.MAX_VALUE), "beyond the largest by half a step");
    assertEquals(0x7f7f, Bfloat16.toBits(Float.intBitsToFloat(0x7f7f7fff)));
    assertEquals(0x7fff, Bfloat16.toBits(Float.NaN));
    assertEquals(0x7fff, Bfloat16.toBits(Float.intBitsToFloat(0xff800001)));
    Random random = new Random(1);
    for (int n = 0; n < 100_000; n++) {
      float value = anyFinite(random);
      short rounded = Bfloat16.toBits(value);
      int down = Float.floatToRawIntBits(value) >>> 16;
      float up = Bfloat16.fromBits((short) (down + 1));
      if (Float.isFinite(up)) {
        double toDown = Math.abs((double) value - Bfloat16.fromBits((short) down));
        double toUp = Math.abs((double) up - value);
        boolean takesUp = toUp < toDown || (toUp == toDown && (down & 1) == 1);
        assertEquals((short) (takesUp ? down + 1 : down), rounded, "" + value);
      }
    }
  }

  private static int exact(float value) {
    BigInteger steps =
        new BigDecimal(value)
            .multiply(BigDecimal.valueOf(1 << 20))
            .setScale(0, RoundingMode.HALF_EVEN)
            .toBigInteger();
    return steps
        .max(BigInteger.valueOf(Integer.MIN_VALUE))
        .min(BigInteger.valueOf(Integer.MAX_VALUE))
        .intValue();
  }

  @Test
  void fixedPointIsTheNearestHalvesToEven() {
    assertEquals(1 << 20, FixedPoint.fromFloat(1f));
    assertEquals(0, FixedPoint.fromFloat(0x1p-21f), "half, even below");
    assertEquals(2, FixedPoint.fromFloat(3 * 0x1p-21f), "half, even above");
    assertEquals(-2, FixedPoint.fromFloat(-5 * 0x1p-21f));
    assertEquals(0, FixedPoint.fromFloat(Float.NaN));
    assertEquals(Integer.MAX_VALUE, FixedPoint.fromFloat(2048f));
    assertEquals(Integer.MAX_VALUE, FixedPoint.fromFloat(Float.MAX_VALUE));
    assertEquals(Integer.MAX_VALUE, FixedPoint.fromFloat(Float.POSITIVE_INFINITY));
    assertEquals(Integer.MIN_VALUE, FixedPoint.fromFloat(-2048f));
    assertEquals(Integer.MIN_VALUE, FixedPoint.fromFloat(Float.NEGATIVE_INFINITY));
    Random random = new Random(2);
    for (int n = 0; n < 100_000; n++) {
      float value = n % 2 == 0 ? anyFinite(random) : (float) random.nextGaussian() * 1000;
      assertEquals(exact(value), FixedPoint.fromFloat(value), "" + value);
      BigDecimal steps = new BigDecimal(value).multiply(BigDecimal.valueOf(1 << 20));
      boolean fits = steps.abs().compareTo(BigDecimal.valueOf(Integer.MAX_VALUE)) <= 0;
      assertEquals(fits, FixedPoint.inRange(value), "" + value);
    }
    assertFalse(FixedPoint.inRange(-2048f), "its negative saturates");
    assertFalse(FixedPoint.inRange(2048f));
    assertFalse(FixedPoint.inRange(Float.NaN));
  }

  @Test
  void fixedPointIsExactInDoubleAndNearestInFloat() {
    assertEquals(-2048f, FixedPoint.toFloat(Integer.MIN_VALUE));
    assertEquals(2048f, FixedPoint.toFloat(Integer.MAX_VALUE));
    Random random = new Random(3);
    for (int n = 0; n < 100_000; n++) {
      int bits = random.nextInt() >> random.nextInt(32);
      BigDecimal value = BigDecimal.valueOf(bits).divide(BigDecimal.valueOf(1 << 20));
      assertEquals(value.doubleValue(), FixedPoint.toDouble(bits));
      assertEquals(value.floatValue(), FixedPoint.toFloat(bits));
      if (Math.abs((long) bits) <= 1 << 24) {
        assertEquals(bits, FixedPoint.fromFloat(FixedPoint.toFloat(bits)));
      }
    }
  }
}
