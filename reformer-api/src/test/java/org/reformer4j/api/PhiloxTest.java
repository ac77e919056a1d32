package org.reformer4j.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PhiloxTest {
  /** Known answers of the Random123 library, kat_vectors, philox4x32 with 10 rounds. */
  @Test
  void knownAnswers() {
    assertBlock(0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    assertBlock(-1L, -1, -1, -1, -1, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    assertBlock(
        0x299f31d0_a4093822L,
        0x243f6a88,
        0x85a308d3,
        0x13198a2e,
        0x03707344,
        0xd16cfe09,
        0x94fdcceb,
        0x5001e420,
        0x24126ea1);
  }

  private static void assertBlock(long key, int c0, int c1, int c2, int c3, int... expected) {
    int[] actual = new int[4];
    Philox.block(actual, key, c0, c1, c2, c3);
    assertArrayEquals(expected, actual);
  }

  private static Philox.Stream stream(long seed, long step, int layer, RandomPurpose purpose) {
    return new Philox.Stream(seed, step, layer, purpose);
  }

  @Test
  void everyCoordinateMatters() {
    int bits = stream(1, 2, 3, RandomPurpose.ROTATIONS).bits(4);
    assertEquals(bits, stream(1, 2, 3, RandomPurpose.ROTATIONS).bits(4));
    assertNotEquals(bits, stream(2, 2, 3, RandomPurpose.ROTATIONS).bits(4));
    assertNotEquals(bits, stream(1, 3, 3, RandomPurpose.ROTATIONS).bits(4));
    assertNotEquals(bits, stream(1, 2, 4, RandomPurpose.ROTATIONS).bits(4));
    assertNotEquals(bits, stream(1, 2, 3, RandomPurpose.SAMPLING).bits(4));
    assertNotEquals(bits, stream(1, 2, 3, RandomPurpose.ROTATIONS).bits(5));
    assertNotEquals(bits, stream(1, 2, 3, RandomPurpose.ROTATIONS).bits(4 + (4L << 32)));
    assertThrows(
        IllegalArgumentException.class, () -> stream(1, 2, 1 << 24, RandomPurpose.ROTATIONS));
  }

  @Test
  void normalsAreNormal() {
    float[] x = new float[200_001];
    stream(5, 0, 0, RandomPurpose.INITIALIZATION).normals(x);
    double sum = 0;
    double square = 0;
    double fourth = 0;
    for (float value : x) {
      sum += value;
      square += (double) value * value;
      fourth += Math.pow(value, 4);
    }
    assertEquals(0, sum / x.length, 0.01);
    assertEquals(1, square / x.length, 0.02);
    assertEquals(3, fourth / x.length, 0.1);
    float[] shorter = new float[3];
    stream(5, 0, 0, RandomPurpose.INITIALIZATION).normals(shorter);
    assertEquals(x[2], shorter[2], "a number does not depend on how many are drawn");
  }

  @Test
  void integerNormalsAreTheRoundedNormals() {
    float[] x = new float[100_003];
    byte[] rounded = new byte[x.length];
    stream(5, 3, 1, RandomPurpose.ROTATIONS).normals(x);
    stream(5, 3, 1, RandomPurpose.ROTATIONS).integerNormals(rounded);
    boolean limited = false;
    for (int i = 0; i < x.length; i++) {
      // Distances from the integer are below a half: none of these numbers is a tie.
      double limit = Math.max(-127, Math.min(127, 32.0 * x[i]));
      assertTrue(Math.abs(rounded[i] - limit) < 0.5, i + ": " + x[i] + " gave " + rounded[i]);
      limited |= Math.abs(32 * x[i]) > 127.5;
    }
    assertTrue(limited, "no number reached the limit");
    byte[] shorter = new byte[3];
    stream(5, 3, 1, RandomPurpose.ROTATIONS).integerNormals(shorter);
    assertEquals(rounded[2], shorter[2], "a number does not depend on how many are drawn");
  }

  @Test
  void uniformsLieInTheirInterval() {
    Philox.Stream stream = stream(6, 0, 0, RandomPurpose.SAMPLING);
    double sum = 0;
    for (int i = 0; i < 10_000; i++) {
      double u = stream.uniform(i);
      assertTrue(u >= 0 && u < 1);
      sum += u;
    }
    assertEquals(0.5, sum / 10_000, 0.02);
  }

  @Test
  void dropoutKeepsItsShareWhereverARunBegins() {
    Dropout dropout = new Dropout(0.3f, stream(7, 1, 2, RandomPurpose.FINAL_HIDDEN));
    float[] all = new float[40_000];
    dropout.factors(all, 0, all.length, 0);
    int kept = 0;
    for (float factor : all) {
      kept += factor != 0 ? 1 : 0;
      assertTrue(factor == 0 || factor == dropout.scale());
    }
    assertEquals(0.7, kept / 40_000.0, 0.01);
    float[] part = new float[9];
    dropout.factors(part, 2, 7, 1001);
    for (int i = 0; i < 7; i++) {
      assertEquals(all[1001 + i], part[2 + i]);
    }
    assertThrows(IllegalArgumentException.class, () -> new Dropout(1f, dropout.stream()));
  }
}
