package org.reformer4j.reference;

/** How a key comes from a projected row. */
enum KeyRule {
  /**
   * Shared QK: the query row divided by its root mean square and sqrt(K), so a unit vector; a token
   * does not attend to itself (ReformerLSHSelfAttention._len_and_dim_norm).
   */
  SHARED {
    @Override
    void forward(float[] source, int at, float[] key, int size) {
      float factor = (float) (1 / Math.sqrt(meanSquare(source, at, size) * size));
      for (int d = 0; d < size; d++) {
        key[d] = source[at + d] * factor;
      }
    }

    @Override
    void backward(float[] source, int at, float[] dKey, float[] target, int to, int size) {
      // k = c q with c = (m + eps)^(-1/2) / sqrt(K): dq = c (g - q <g, q> / (K (m + eps))).
      double mean = meanSquare(source, at, size);
      double factor = 1 / Math.sqrt(mean * size);
      double projection = 0;
      for (int d = 0; d < size; d++) {
        projection += (double) dKey[d] * source[at + d];
      }
      projection /= size * mean;
      for (int d = 0; d < size; d++) {
        target[to + d] += (float) (factor * (dKey[d] - source[at + d] * projection));
      }
    }

    @Override
    boolean excludesSelf() {
      return true;
    }
  },
  /** Separate keys, divided by sqrt(K); a token attends to itself (LocalSelfAttention). */
  SEPARATE {
    @Override
    void forward(float[] source, int at, float[] key, int size) {
      float factor = (float) (1 / Math.sqrt(size));
      for (int d = 0; d < size; d++) {
        key[d] = source[at + d] * factor;
      }
    }

    @Override
    void backward(float[] source, int at, float[] dKey, float[] target, int to, int size) {
      float factor = (float) (1 / Math.sqrt(size));
      for (int d = 0; d < size; d++) {
        target[to + d] += dKey[d] * factor;
      }
    }

    @Override
    boolean excludesSelf() {
      return false;
    }
  };

  /** Added to the mean square of a row, as in Hugging Face's _len_norm. */
  private static final double EPSILON = 1e-6;

  /** Writes the key of the row that starts at an index. */
  abstract void forward(float[] source, int at, float[] key, int size);

  /** Adds the gradient of the row, given that of its key. */
  abstract void backward(float[] source, int at, float[] dKey, float[] target, int to, int size);

  /** Returns whether a token may not attend to itself. */
  abstract boolean excludesSelf();

  private static double meanSquare(float[] source, int at, int size) {
    double sum = 0;
    for (int d = 0; d < size; d++) {
      sum += (double) source[at + d] * source[at + d];
    }
    return sum / size + EPSILON;
  }
}
