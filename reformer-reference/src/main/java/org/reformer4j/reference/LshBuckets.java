package org.reformer4j.reference;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/**
 * Bucket = per factor the argmax of [xR; -xR], combined as b0 + f0*b1 + f0*f1*b2. Products are
 * floats, or integers where the rotations are.
 */
final class LshBuckets {
  private static final int TILE = 64;

  /** Multiplies rows of one head by its rotations; holds scratch, so one thread uses it. */
  private interface Products {
    /** Computes rows of a tile: rotated[i][column] = row firstRow + i times the rotations. */
    void run(double[][] rotated, int firstRow, int rows);
  }

  private LshBuckets() {}

  static void run(
      Workers workers,
      Tensor buckets,
      Tensor queryKeys,
      Tensor rotations,
      Tensor keyMask,
      AttentionSpec spec,
      HashSpec hash) {
    Sequences sequences = spec.sequences();
    String op = "lshBuckets";
    int columns = hash.rounds() * hash.rotationColumns();
    KernelArguments.F32.lshBuckets(buckets, queryKeys, rotations, keyMask, spec, hash);
    boolean integer = rotations.type() == DType.I8;
    if (integer && spec.headSize() > IntegerHash.MAX_HEAD_SIZE) {
      throw new IllegalArgumentException(
          op
              + ": rotations of I8 need a head size K of at most "
              + IntegerHash.MAX_HEAD_SIZE
              + ", got "
              + spec.headSize()
              + ": give F32 rotations");
    }
    IntRows target = IntRows.of(buckets);
    FloatRows source = FloatRows.of(queryKeys);
    ArrayStorage rotation = ArrayStorage.of(rotations);
    int offset = (int) rotations.offset();
    IntRows mask = IntRows.orNull(keyMask);
    workers.forRange(
        sequences.batch() * spec.heads(),
        1,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            int h = i % spec.heads();
            int size = spec.headSize();
            int at = offset + h * size * columns;
            Products products =
                integer
                    ? integerProducts(source, h, size, rotation.bytes, at, columns)
                    : floatProducts(source, h, size, rotation.floats, at, columns);
            head(target, products, mask, spec, hash, i / spec.heads(), h);
          }
        });
  }

  private static Products floatProducts(
      FloatRows source, int h, int size, float[] rotations, int at, int columns) {
    float[][] r = new float[size][columns];
    for (int d = 0; d < size; d++) {
      System.arraycopy(rotations, at + d * columns, r[d], 0, columns);
    }
    float[][] x = new float[TILE][size];
    float[][] product = new float[TILE][columns];
    return (rotated, firstRow, rows) -> {
      for (int i = 0; i < rows; i++) {
        System.arraycopy(source.data, source.at(firstRow + i) + h * size, x[i], 0, size);
      }
      RowProducts.clear(product, rows, columns);
      RowProducts.accumulate(product, x, r, rows, size, columns);
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          rotated[i][j] = product[i][j];
        }
      }
    };
  }

  private static Products integerProducts(
      FloatRows source, int h, int size, byte[] rotations, int at, int columns) {
    IntegerHash hash = new IntegerHash(rotations, at, size, columns);
    return (rotated, firstRow, rows) -> {
      for (int i = 0; i < rows; i++) {
        hash.product(rotated[i], source.data, source.at(firstRow + i) + h * size);
      }
    };
  }

  private static void head(
      IntRows buckets,
      Products products,
      IntRows mask,
      AttentionSpec spec,
      HashSpec hash,
      int b,
      int h) {
    int length = spec.sequences().length(b);
    int stride = spec.sequences().stride();
    double[][] rotated = new double[TILE][hash.rounds() * hash.rotationColumns()];
    for (int t = 0; t < stride; t += TILE) {
      int rows = Math.min(TILE, stride - t);
      int real = Math.max(0, Math.min(rows, length - t));
      products.run(rotated, b * stride + t, real);
      for (int i = 0; i < rows; i++) {
        boolean hidden = i >= real || (mask != null && mask.get(b * stride + t + i) == 0);
        for (int round = 0; round < hash.rounds(); round++) {
          int bucket = hidden ? hash.buckets() : bucket(rotated[i], round, hash);
          buckets.set(((b * spec.heads() + h) * hash.rounds() + round) * stride + t + i, bucket);
        }
      }
    }
  }

  private static int bucket(double[] rotated, int round, HashSpec hash) {
    int at = round * hash.rotationColumns();
    int bucket = 0;
    int product = 1;
    for (int factor : hash.factors()) {
      bucket += product * argmax(rotated, at, factor / 2);
      product *= factor;
      at += factor / 2;
    }
    return bucket;
  }

  /** Index of the largest of [x; -x]; the first maximum wins. */
  private static int argmax(double[] x, int from, int count) {
    int best = 0;
    double high = x[from];
    for (int i = 1; i < count; i++) {
      if (x[from + i] > high) {
        high = x[from + i];
        best = i;
      }
    }
    for (int i = 0; i < count; i++) {
      if (-x[from + i] > high) {
        high = -x[from + i];
        best = count + i;
      }
    }
    return best;
  }
}
