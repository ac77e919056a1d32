package org.reformer4j.reference;

import org.reformer4j.api.Arguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Bucket = per factor the argmax of [xR; -xR], combined as b0 + f0*b1 + f0*f1*b2. */
final class LshBuckets {
  private static final int TILE = 64;

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
    Arguments.flat(
        op,
        "buckets",
        buckets,
        DType.I32,
        "[B, H, R, T]",
        sequences.rows() * spec.heads() * hash.rounds());
    Arguments.matrix(
        op, "queryKeys", queryKeys, DType.F32, "[N, H*K]", sequences.rows(), spec.width());
    Arguments.flat(
        op, "rotations", rotations, DType.F32, "[H, K, R*columns]", (long) spec.width() * columns);
    if (keyMask != null) {
      Arguments.flat(op, "keyMask", keyMask, DType.I32, "[B, T]", sequences.rows());
    }
    IntRows target = IntRows.of(buckets);
    FloatRows source = FloatRows.of(queryKeys);
    FloatRows rotation = FloatRows.of(rotations.reshape(spec.width(), columns));
    IntRows mask = IntRows.orNull(keyMask);
    workers.forRange(
        sequences.batch() * spec.heads(),
        1,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            head(target, source, rotation, mask, spec, hash, i / spec.heads(), i % spec.heads());
          }
        });
  }

  private static void head(
      IntRows buckets,
      FloatRows source,
      FloatRows rotation,
      IntRows mask,
      AttentionSpec spec,
      HashSpec hash,
      int b,
      int h) {
    int size = spec.headSize();
    int columns = hash.rounds() * hash.rotationColumns();
    int length = spec.sequences().length(b);
    int stride = spec.sequences().stride();
    float[][] r = new float[size][columns];
    for (int d = 0; d < size; d++) {
      System.arraycopy(rotation.data, rotation.at(h * size + d), r[d], 0, columns);
    }
    float[][] x = new float[TILE][size];
    float[][] rotated = new float[TILE][columns];
    for (int t = 0; t < stride; t += TILE) {
      int rows = Math.min(TILE, stride - t);
      int real = Math.max(0, Math.min(rows, length - t));
      for (int i = 0; i < real; i++) {
        System.arraycopy(source.data, source.at(b * stride + t + i) + h * size, x[i], 0, size);
      }
      RowProducts.clear(rotated, real, columns);
      RowProducts.accumulate(rotated, x, r, real, size, columns);
      for (int i = 0; i < rows; i++) {
        boolean hidden = i >= real || (mask != null && mask.get(b * stride + t + i) == 0);
        for (int round = 0; round < hash.rounds(); round++) {
          int bucket = hidden ? hash.buckets() : bucket(rotated[i], round, hash);
          buckets.set(((b * spec.heads() + h) * hash.rounds() + round) * stride + t + i, bucket);
        }
      }
    }
  }

  private static int bucket(float[] rotated, int round, HashSpec hash) {
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
  private static int argmax(float[] x, int from, int count) {
    int best = 0;
    float high = x[from];
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
