package org.reformer4j.model.random;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

/** Against numbers recorded from torch 1.13 on a CPU with AVX2. */
class TorchGeneratorTest {
  /** torch evaluates log, sine and cosine by polynomials in float where 16 or more are drawn. */
  private static final float BLOCK_TOLERANCE = 3e-6f;

  @Test
  void rawWordsOfSeed0() {
    assertWords(
        0,
        new long[] {2357136044L, 2546248239L, 3071714933L, 3626093760L, 2588848963L},
        new long[] {109510300L, 1066927688L, 3814118674L, 2172679577L, 3043451800L});
  }

  @Test
  void rawWordsOfAnotherSeed() {
    assertWords(
        123456789,
        new long[] {2288500408L, 4254805660L, 2294099250L, 56498137L, 2188513626L},
        new long[] {1225628627L, 868634161L, 335001655L, 2478442906L, 3871123946L});
  }

  /** Checks words 0 to 4 and, after the state was renewed, 995 to 999. */
  private static void assertWords(long seed, long[] first, long[] last) {
    long[] words = new long[1000];
    TorchGenerator generator = new TorchGenerator(seed);
    for (int i = 0; i < words.length; i++) {
      words[i] = Integer.toUnsignedLong(generator.nextInt32());
    }
    for (int i = 0; i < first.length; i++) {
      assertEquals(first[i], words[i]);
      assertEquals(last[i], words[words.length - last.length + i]);
    }
  }

  @Test
  void uniformsAreExact() {
    float[] x = new TorchGenerator(11).uniforms(37);
    assertAt(x, 0, 0f, 0.14904171f, 0.48655313f, 0.9856615f, 0.16840142f, 0.5839434f);
    assertAt(x, 32, 0f, 0.24380445f, 0.33817393f, 0.8847391f, 0.07625234f, 0.99003094f);
  }

  @Test
  void fewNumbersAreDrawnOneByOne() {
    float[] expected = {
      1.5409961f, -0.2934289f, -2.1787894f, 0.56843126f, -1.0845224f, -1.3985955f, 0.40334684f,
      0.83802634f, -0.7192576f, -0.40334353f, -0.59663534f, 0.18203649f, -0.8566746f, 1.1006042f,
      -1.0711874f
    };
    assertArrayEquals(expected, new TorchGenerator(0).normals(15), 1e-7f);
    assertAt(
        new TorchGenerator(42).normals(7),
        0,
        1e-7f,
        0.33669037f,
        0.1288094f,
        0.23446237f,
        0.23033303f,
        -1.1228564f,
        -0.18632829f,
        2.2082014f);
  }

  @Test
  void theKeptNormalSurvivesBetweenCalls() {
    float[] whole = new TorchGenerator(0).normals(7);
    TorchGenerator generator = new TorchGenerator(0);
    assertAt(generator.normals(3), 0, 0f, whole[0], whole[1], whole[2]);
    assertAt(generator.normals(4), 0, 0f, whole[3], whole[4], whole[5], whole[6]);
  }

  @Test
  void oneBlock() {
    float[] expected = {
      -1.1258398f, -1.1523602f, -0.25057858f, -0.4338788f, 0.84871036f, 0.69200915f, -0.31601277f,
      -2.1152194f, 0.32227492f, -1.2633348f, 0.3499832f, 0.30813393f, 0.11984151f, 1.2376579f,
      1.1167772f, -0.24727815f
    };
    assertArrayEquals(expected, new TorchGenerator(0).normals(16), BLOCK_TOLERANCE);
  }

  @Test
  void aRaggedTailOverwritesTheLastBlock() {
    float[] expected = {
      -1.1258398f, -1.6959312f, 0.5666506f, 0.79350835f, 0.59883946f, -1.5550951f, -0.3413604f,
      1.8530061f, 0.4680964f, -0.58549756f, -0.17339675f, 0.18347794f, 1.3893661f, 1.5863342f,
      0.94629836f, -0.84367675f, 0.9318266f
    };
    assertArrayEquals(expected, new TorchGenerator(0).normals(17), BLOCK_TOLERANCE);

    float[] x = new TorchGenerator(1).normals(31);
    float tolerance = BLOCK_TOLERANCE;
    assertAt(x, 0, tolerance, -1.5255959f, -0.7502318f, -0.6539809f, -1.6094848f, -0.10016718f);
    assertAt(x, 13, tolerance, 1.6871134f, 0.22842517f, -0.29934606f, 1.8793458f, -0.07213178f);
    assertAt(x, 26, tolerance, -0.15784515f, -0.02878714f, 2.357111f, -1.0373387f, 1.5747981f);
  }

  @Test
  void onlyTheLowBitsOfTheSeedCount() {
    float[] x = new TorchGenerator(4294967301L).normals(31);
    float tolerance = BLOCK_TOLERANCE;
    assertAt(x, 0, tolerance, 1.8423299f, 0.51888716f, -1.7119213f, -1.7013793f, 2.0194194f);
    assertAt(x, 5, tolerance, -0.26861444f, -0.1307175f, -1.4374138f, 0.39076823f, -0.01896776f);
    assertArrayEquals(new TorchGenerator(5).normals(31), x);
  }

  @Test
  void manyNumbers() {
    float tolerance = BLOCK_TOLERANCE;
    float[] hundred = new TorchGenerator(123456789).normals(100);
    assertAt(hundred, 0, tolerance, 0.2642554f, -0.41489896f, -0.6075138f, 0.7319287f);
    assertAt(hundred, 82, tolerance, 0.9969563f, 0.1326492f, 0.052227046f, -0.25181243f);
    assertAt(hundred, 96, tolerance, -0.50228626f, 1.3162358f, 1.1531771f, -2.0647855f);

    float[] thousands = new TorchGenerator(123456789).normals(4096);
    assertAt(thousands, 0, tolerance, 0.2642554f, -0.41489896f, -0.6075138f, 0.7319287f);
    assertAt(
        thousands, 4091, tolerance, 0.8995218f, 0.4132217f, -0.5759607f, 1.3974197f, -1.1929562f);

    float[] rotations = new TorchGenerator(42).normals(2 * 16 * 2 * 4);
    assertAt(rotations, 0, tolerance, 1.9269153f, 1.4872841f, 0.9007172f);
    assertAt(rotations, 100, tolerance, 0.6407553f, 0.5832474f, 1.0669267f, -0.45015338f);
    assertAt(rotations, 253, tolerance, 0.565505f, 0.5057917f, 0.22245365f);
  }

  @Test
  void bothWaysAfterOneAnother() {
    TorchGenerator generator = new TorchGenerator(3);
    float tolerance = BLOCK_TOLERANCE;
    assertAt(generator.normals(3), 0, 1e-7f, 0.80327606f, 0.17483339f, 0.0889781f);
    assertAt(generator.normals(4), 0, 1e-7f, -0.61371803f, 0.04618245f, -1.3682592f, 0.3374951f);
    float[] twenty = generator.normals(20);
    assertAt(twenty, 0, tolerance, 0.26150116f, 0.93112445f, -0.514462f, -1.6516654f);
    assertAt(twenty, 14, tolerance, 0.6589139f, 0.8194592f, 0.5615939f, -0.24814683f);
    assertAt(twenty, 18, tolerance, -1.079961f, 0.59162176f);
    assertAt(generator.normals(2), 0, 1e-7f, 1.0111159f, -1.1837332f);
    float[] sixteen = generator.normals(16);
    assertAt(sixteen, 0, tolerance, 0.6197021f, 1.9096979f, -1.5780637f, 0.5071301f);
    assertAt(sixteen, 12, tolerance, -1.954093f, -1.2216325f, -0.3304183f, -0.4243016f);
    assertAt(
        generator.normals(5),
        0,
        1e-7f,
        0.5343607f,
        0.43616098f,
        1.0170135f,
        -2.1925268f,
        0.21233067f);
  }

  @Test
  void aBlockLeavesTheKeptNormalAlone() {
    TorchGenerator generator = new TorchGenerator(0);
    generator.normals(1);
    generator.normals(16);
    assertEquals(-0.2934289f, generator.normals(1)[0], 1e-7f);
  }

  @Test
  void doubles() {
    double[] few = new TorchGenerator(5).normalsDouble(7);
    double[] expectedFew = {
      -0.48678075071242677,
      -0.6038215878840039,
      -0.5580962308236769,
      0.6675243015344896,
      -0.19741509323400558,
      1.9427835329161933,
      -1.4017020125953694
    };
    assertArrayEquals(expectedFew, few, 1e-14);

    double[] many = new TorchGenerator(5).normalsDouble(100);
    assertAt(many, 0, 0.8235713931461853, -0.7421276044281208, -0.5944275099013685);
    assertAt(many, 82, -0.5790082305802572, -1.393317068422149, 0.6053173148517692);
    assertAt(many, 85, 0.774509858664768, 1.1185817160715221);
    assertAt(many, 97, 0.44491028945104427, -0.259916592579476, 0.40503349932080573);
  }

  @Test
  void nothingAndLessThanNothing() {
    TorchGenerator generator = new TorchGenerator(0);
    assertEquals(0, generator.normals(0).length);
    assertEquals(0, generator.uniforms(0).length);
    assertEquals(0, generator.normalsDouble(0).length);
    assertEquals(2357136044L, Integer.toUnsignedLong(generator.nextInt32()));
    assertThrows(IllegalArgumentException.class, () -> generator.normals(-1));
    assertThrows(IllegalArgumentException.class, () -> generator.uniforms(-1));
    assertThrows(IllegalArgumentException.class, () -> generator.normalsDouble(-1));
  }

  private static void assertAt(float[] actual, int from, float tolerance, float... expected) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[from + i], tolerance, "index " + (from + i));
    }
  }

  private static void assertAt(double[] actual, int from, double... expected) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[from + i], 1e-14, "index " + (from + i));
    }
  }
}
