package org.reformer4j.api;

/**
 * The counter-based generator Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC 2011). A number is a pure function of (seed, step, layer, purpose, element), so that a
 * recomputation and another backend draw the same numbers without any state.
 *
 * <p>This class is the definition: every backend must give the same bits. Key = seed; counter =
 * (element / 4 as 64 bits, low 32 bits of step, layer * 256 + purpose); element % 4 selects one of
 * the four words.
 */
public final class Philox {
  private static final int M0 = 0xD2511F53;
  private static final int M1 = 0xCD9E8D57;
  private static final int W0 = 0x9E3779B9;
  private static final int W1 = 0xBB67AE85;
  private static final int ROUNDS = 10;

  private Philox() {}

  /**
   * Computes one block of four words.
   *
   * @param out receives the words, length 4
   * @param key 64-bit key
   * @param c0 counter word 0, least significant
   * @param c1 counter word 1
   * @param c2 counter word 2
   * @param c3 counter word 3
   */
  public static void block(int[] out, long key, int c0, int c1, int c2, int c3) {
    int k0 = (int) key;
    int k1 = (int) (key >>> 32);
    for (int round = 0; round < ROUNDS; round++) {
      long p0 = (M0 & 0xFFFFFFFFL) * (c0 & 0xFFFFFFFFL);
      long p1 = (M1 & 0xFFFFFFFFL) * (c2 & 0xFFFFFFFFL);
      int n0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      int n2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c1 = (int) p1;
      c3 = (int) p0;
      c0 = n0;
      c2 = n2;
      k0 += W0;
      k1 += W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
  }

  /**
   * Computes the four words of elements 4*quad .. 4*quad+3 of a stream.
   *
   * @param out receives the words, length 4
   * @param stream the stream
   * @param quad index of the block, element / 4
   */
  public static void quad(int[] out, Stream stream, long quad) {
    block(
        out,
        stream.seed(),
        (int) quad,
        (int) (quad >>> 32),
        (int) stream.step(),
        (stream.layer() << 8) | stream.purpose().ordinal());
  }

  /**
   * One stream of random numbers, random access by element.
   *
   * @param seed key of the generator
   * @param step training step or call number; the low 32 bits count
   * @param layer layer index, 0 where there is none; less than 2^24
   * @param purpose what the numbers are for
   */
  public record Stream(long seed, long step, int layer, RandomPurpose purpose) {
    /** Checks the ranges. */
    public Stream {
      if (layer < 0 || layer >= 1 << 24) {
        throw new IllegalArgumentException("layer must be in 0..2^24-1, got " + layer);
      }
      java.util.Objects.requireNonNull(purpose, "purpose");
    }

    /**
     * Returns 32 random bits.
     *
     * @param element which number of the stream
     */
    public int bits(long element) {
      int[] words = new int[4];
      quad(words, this, element >>> 2);
      return words[(int) (element & 3)];
    }

    /**
     * Returns a uniform number in [0, 1) with 53 random bits.
     *
     * @param element which number of the stream; uses words 2*element and 2*element+1
     */
    public double uniform(long element) {
      int[] words = new int[4];
      quad(words, this, element >>> 1);
      int first = (int) (element & 1) * 2;
      long high = words[first] & 0xFFFFFFFFL;
      long low = words[first + 1] & 0xFFFFFFFFL;
      return (double) ((high << 21) ^ (low >>> 11)) * 0x1p-53;
    }

    /**
     * Fills an array with standard normal numbers, element i of the stream at index i (Box-Muller
     * in double on StrictMath, so the same on every machine).
     *
     * @param out receives the numbers
     */
    public void normals(float[] out) {
      int[] words = new int[4];
      for (int i = 0; i < out.length; i++) {
        out[i] = normal(words, i);
      }
    }

    /**
     * Fills an array with rounded normal numbers for integer hashing: number i of {@link #normals}
     * times 32, rounded to the nearest integer, halves to even, and limited to -127..127.
     *
     * @param out receives the numbers, such as rotations [H, R*columns, K]
     */
    public void integerNormals(byte[] out) {
      int[] words = new int[4];
      for (int i = 0; i < out.length; i++) {
        double rounded = Math.rint(32 * normal(words, i));
        out[i] = (byte) Math.max(-127, Math.min(127, rounded));
      }
    }

    /** Returns number i; the words are those of the block it belongs to, drawn at its first. */
    private float normal(int[] words, int i) {
      int pair = i & 3;
      if (pair == 0) {
        quad(words, this, i >>> 2);
      }
      // Numbers 2j and 2j+1 share the uniforms of words 2j and 2j+1.
      int first = pair & 2;
      double u1 = ((words[first] & 0xFFFFFFFFL) + 1.0) * 0x1p-32;
      double u2 = (words[first + 1] & 0xFFFFFFFFL) * 0x1p-32;
      double radius = StrictMath.sqrt(-2 * StrictMath.log(u1));
      double angle = 2 * Math.PI * u2;
      return (float) (radius * ((pair & 1) == 0 ? StrictMath.cos(angle) : StrictMath.sin(angle)));
    }
  }
}
