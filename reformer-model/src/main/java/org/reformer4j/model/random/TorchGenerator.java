package org.reformer4j.model.random;

/**
 * The CPU generator of PyTorch, for rotations that equal those Hugging Face draws after {@code
 * torch.manual_seed}. Engine: MT19937 (Matsumoto and Nishimura 1998), seeded with the low 32 bits
 * of the seed.
 *
 * <p>Normal numbers follow torch's two ways: fewer than {@value #BLOCK} numbers are drawn one by
 * one (Box-Muller in double, the second of a pair is kept for the next such draw, also across
 * calls); {@value #BLOCK} or more are drawn as uniforms first and transformed in blocks of {@value
 * #BLOCK}, which neither reads nor clears the kept number. The split of one draw into several calls
 * therefore changes the numbers, as it does in torch.
 *
 * <p>Uniform numbers are exact. Normal floats of the block way agree with torch within 3e-6
 * absolute, because torch evaluates log, sine and cosine there by polynomials in float.
 */
public final class TorchGenerator {
  private static final int STATE = 624;
  private static final int SHIFT = 397;
  private static final int BLOCK = 16;
  private static final int HALF = BLOCK / 2;

  private final int[] state = new int[STATE];
  private int index = STATE;
  private double cached;
  private boolean hasCached;

  /**
   * Starts the generator as {@code torch.manual_seed(seed)} does.
   *
   * @param seed the seed; only its low 32 bits count, as in torch
   */
  public TorchGenerator(long seed) {
    state[0] = (int) seed;
    for (int i = 1; i < STATE; i++) {
      int previous = state[i - 1];
      state[i] = 1812433253 * (previous ^ (previous >>> 30)) + i;
    }
  }

  /** Returns the next 32 random bits of the engine. */
  public int nextInt32() {
    if (index == STATE) {
      twist();
    }
    int y = state[index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9D2C5680;
    y ^= (y << 15) & 0xEFC60000;
    return y ^ (y >>> 18);
  }

  /**
   * Draws what {@code torch.rand(n)} draws.
   *
   * @param n how many
   * @return uniform numbers in [0, 1), shape [n]
   * @throws IllegalArgumentException if n is negative
   */
  public float[] uniforms(int n) {
    float[] x = new float[checked(n)];
    fillUniforms(x, 0, n);
    return x;
  }

  /**
   * Draws what {@code torch.randn(n)} draws; a tensor of several dimensions is one draw of its
   * element count, row-major.
   *
   * @param n how many
   * @return standard normal numbers, shape [n]
   * @throws IllegalArgumentException if n is negative
   */
  public float[] normals(int n) {
    float[] x = new float[checked(n)];
    if (n < BLOCK) {
      for (int i = 0; i < n; i++) {
        x[i] = (float) nextNormal();
      }
      return x;
    }
    fillUniforms(x, 0, n);
    for (int start = 0; start <= n - BLOCK; start += BLOCK) {
      transform(x, start);
    }
    if (n % BLOCK != 0) {
      // torch draws the last block anew, over numbers that are finished already.
      fillUniforms(x, n - BLOCK, BLOCK);
      transform(x, n - BLOCK);
    }
    return x;
  }

  /**
   * Draws what {@code torch.randn(n, dtype=torch.float64)} draws. From {@value #BLOCK} numbers on
   * these are other numbers than {@link #normals} draws for the same seed.
   *
   * @param n how many
   * @return standard normal numbers, shape [n]
   * @throws IllegalArgumentException if n is negative
   */
  public double[] normalsDouble(int n) {
    double[] x = new double[checked(n)];
    if (n < BLOCK) {
      for (int i = 0; i < n; i++) {
        x[i] = nextNormal();
      }
      return x;
    }
    fillUniforms(x, 0, n);
    for (int start = 0; start <= n - BLOCK; start += BLOCK) {
      transform(x, start);
    }
    if (n % BLOCK != 0) {
      fillUniforms(x, n - BLOCK, BLOCK);
      transform(x, n - BLOCK);
    }
    return x;
  }

  private static int checked(int n) {
    if (n < 0) {
      throw new IllegalArgumentException("n must not be negative, got " + n);
    }
    return n;
  }

  private void twist() {
    for (int i = 0; i < STATE; i++) {
      int y = (state[i] & 0x80000000) | (state[(i + 1) % STATE] & 0x7FFFFFFF);
      int mixed = (y >>> 1) ^ ((y & 1) == 0 ? 0 : 0x9908B0DF);
      state[i] = state[(i + SHIFT) % STATE] ^ mixed;
    }
    index = 0;
  }

  private double nextUniformDouble() {
    long high = nextInt32() & 0xFFFFFFFFL;
    long low = nextInt32() & 0xFFFFFFFFL;
    return (double) ((high << 32 | low) & ((1L << 53) - 1)) * 0x1p-53;
  }

  private double nextNormal() {
    if (hasCached) {
      hasCached = false;
      return cached;
    }
    double u1 = nextUniformDouble();
    double u2 = nextUniformDouble();
    double radius = StrictMath.sqrt(-2 * StrictMath.log1p(-u2));
    double angle = 2 * Math.PI * u1;
    cached = radius * StrictMath.sin(angle);
    hasCached = true;
    return radius * StrictMath.cos(angle);
  }

  private void fillUniforms(float[] x, int from, int count) {
    for (int i = from; i < from + count; i++) {
      x[i] = (nextInt32() & 0xFFFFFF) * 0x1p-24f;
    }
  }

  private void fillUniforms(double[] x, int from, int count) {
    for (int i = from; i < from + count; i++) {
      x[i] = nextUniformDouble();
    }
  }

  private static void transform(float[] x, int start) {
    for (int j = start; j < start + HALF; j++) {
      float u1 = 1f - x[j];
      float radius = (float) StrictMath.sqrt(-2f * (float) StrictMath.log(u1));
      float angle = (float) (2 * Math.PI) * x[j + HALF];
      x[j] = radius * (float) StrictMath.cos(angle);
      x[j + HALF] = radius * (float) StrictMath.sin(angle);
    }
  }

  private static void transform(double[] x, int start) {
    for (int j = start; j < start + HALF; j++) {
      double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - x[j]));
      double angle = 2 * Math.PI * x[j + HALF];
      x[j] = radius * StrictMath.cos(angle);
      x[j + HALF] = radius * StrictMath.sin(angle);
    }
  }
}
