package org.reformer4j.api;

import java.util.Objects;

/**
 * A dropout mask as a pure function of the element index: element e is kept where bits(e), read as
 * an unsigned number, is at least {@link #threshold}, and is then multiplied by {@link #scale}.
 *
 * @param probability chance of an element to be zeroed, in [0, 1)
 * @param stream where the bits come from
 * @param firstRow number of the first row that an operation sees, so that a block of rows gets its
 *     part of the mask
 */
public record Dropout(float probability, Philox.Stream stream, long firstRow) {
  /** No dropout at all. */
  public static final Dropout NONE =
      new Dropout(0f, new Philox.Stream(0, 0, 0, RandomPurpose.TOKEN_EMBEDDING));

  /** Checks the range. */
  public Dropout {
    if (!(probability >= 0f && probability < 1f)) {
      throw new IllegalArgumentException(
          "dropout probability must be in [0, 1), got " + probability);
    }
    Objects.requireNonNull(stream, "stream");
    if (firstRow < 0) {
      throw new IllegalArgumentException("firstRow must not be negative, got " + firstRow);
    }
  }

  /** Makes the mask of all rows. */
  public Dropout(float probability, Philox.Stream stream) {
    this(probability, stream, 0);
  }

  /**
   * Returns the part of this mask from a row on.
   *
   * @param row counted from {@link #firstRow}
   */
  public Dropout from(long row) {
    return row == 0 ? this : new Dropout(probability, stream, firstRow + row);
  }

  /** Returns whether nothing is dropped. */
  public boolean isNone() {
    return probability == 0f;
  }

  /** Returns the factor on elements that are kept. */
  public float scale() {
    return 1f / (1f - probability);
  }

  /** Returns the least unsigned 32-bit number that keeps an element. */
  public long threshold() {
    return Math.round(probability * 0x1p32);
  }

  /**
   * Writes the factor (0 or {@link #scale}) of a run of elements.
   *
   * @param factors receives the factors
   * @param from index of the first factor
   * @param count how many
   * @param element index of the first element in the mask
   */
  public void factors(float[] factors, int from, int count, long element) {
    int[] words = new int[4];
    long threshold = threshold();
    float scale = scale();
    long quad = -1;
    for (int i = 0; i < count; i++) {
      long e = element + i;
      if (e >>> 2 != quad) {
        quad = e >>> 2;
        Philox.quad(words, stream, quad);
      }
      factors[from + i] = (words[(int) (e & 3)] & 0xFFFFFFFFL) >= threshold ? scale : 0f;
    }
  }
}
