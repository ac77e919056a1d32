package org.reformer4j.reference;

import java.util.Arrays;
import java.util.BitSet;
import org.reformer4j.api.Arguments;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeArguments;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** The ways of elements into tensors, out of them, and from one to another. */
final class Elements {
  private static final DType[] REAL = {DType.F32, DType.BF16, DType.FIXED};
  private static final DType[] INTEGER = {DType.I32, DType.FIXED};

  /** Does something with a run of elements of a tensor and of a host array. */
  private interface Run {
    void accept(int inTensor, int inHost, int count);
  }

  private Elements() {}

  static void upload(Tensor target, float[] source) {
    Arguments.elements("upload", target, source.length, REAL);
    ArrayStorage to = ArrayStorage.of(target);
    switch (target.type()) {
      case F32 -> rows(target, (t, s, n) -> System.arraycopy(source, s, to.floats, t, n));
      case BF16 ->
          rows(
              target,
              (t, s, n) -> {
                for (int j = 0; j < n; j++) {
                  to.shorts[t + j] = Bfloat16.toBits(source[s + j]);
                }
              });
      default ->
          rows(
              target,
              (t, s, n) -> {
                for (int j = 0; j < n; j++) {
                  to.ints[t + j] = FixedPoint.fromFloat(source[s + j]);
                }
              });
    }
  }

  static void upload(Tensor target, int[] source) {
    Arguments.elements("upload", target, source.length, DType.I32);
    int[] to = ArrayStorage.of(target).ints;
    rows(target, (t, s, n) -> System.arraycopy(source, s, to, t, n));
  }

  static void upload(Tensor target, byte[] source) {
    Arguments.elements("upload", target, source.length, DType.I8);
    byte[] to = ArrayStorage.of(target).bytes;
    rows(target, (t, s, n) -> System.arraycopy(source, s, to, t, n));
  }

  static void download(float[] target, Tensor source) {
    Arguments.elements("download", source, target.length, REAL);
    ArrayStorage from = ArrayStorage.of(source);
    switch (source.type()) {
      case F32 -> rows(source, (s, t, n) -> System.arraycopy(from.floats, s, target, t, n));
      case BF16 ->
          rows(
              source,
              (s, t, n) -> {
                for (int j = 0; j < n; j++) {
                  target[t + j] = Bfloat16.fromBits(from.shorts[s + j]);
                }
              });
      default ->
          rows(
              source,
              (s, t, n) -> {
                for (int j = 0; j < n; j++) {
                  target[t + j] = FixedPoint.toFloat(from.ints[s + j]);
                }
              });
    }
  }

  static void download(int[] target, Tensor source) {
    Arguments.elements("downloadInts", source, target.length, INTEGER);
    int[] from = ArrayStorage.of(source).ints;
    rows(source, (s, t, n) -> System.arraycopy(from, s, target, t, n));
  }

  static void fill(Tensor target, float value) {
    Arguments.elements("fill", target, target.elements(), REAL);
    ArrayStorage to = ArrayStorage.of(target);
    short half = Bfloat16.toBits(value);
    int fixed = FixedPoint.fromFloat(value);
    switch (target.type()) {
      case F32 -> rows(target, (t, s, n) -> Arrays.fill(to.floats, t, t + n, value));
      case BF16 -> rows(target, (t, s, n) -> Arrays.fill(to.shorts, t, t + n, half));
      default -> rows(target, (t, s, n) -> Arrays.fill(to.ints, t, t + n, fixed));
    }
  }

  static void round(Tensor target, Tensor source) {
    KernelArguments.round(target, source);
    float[] from = ArrayStorage.of(source).floats;
    short[] to = ArrayStorage.of(target).shorts;
    for (long i = 0; i < source.rows(); i++) {
      int s = (int) (source.offset() + i * source.rowStride());
      int t = (int) (target.offset() + i * target.rowStride());
      for (int j = 0; j < source.columns(); j++) {
        to[t + j] = Bfloat16.toBits(from[s + j]);
      }
    }
  }

  static void copy(Tensor target, Tensor source) {
    KernelArguments.copy(target, source);
    Object from = ArrayStorage.of(source).array();
    Object to = ArrayStorage.of(target).array();
    for (long i = 0; i < source.rows(); i++) {
      System.arraycopy(
          from,
          (int) (source.offset() + i * source.rowStride()),
          to,
          (int) (target.offset() + i * target.rowStride()),
          (int) source.columns());
    }
  }

  static void store(Tensor target, Tensor rows, Tensor source) {
    DecodeArguments.storeRows(target, rows, source);
    IntRows places = IntRows.of(rows);
    BitSet taken = new BitSet();
    for (int i = 0; i < source.rows(); i++) {
      int row = places.get(i);
      if (row < 0 || row >= target.rows()) {
        throw Arguments.wrongIndex("storeRows", "rows", i, target.rows(), row);
      }
      if (taken.get(row)) {
        throw new IllegalArgumentException(
            "storeRows: rows[" + i + "] must differ from the others, got " + row + " again");
      }
      taken.set(row);
    }
    for (int i = 0; i < source.rows(); i++) {
      copy(target.rows(places.get(i), 1), source.rows(i, 1));
    }
  }

  private static void rows(Tensor tensor, Run run) {
    int columns = (int) tensor.columns();
    for (int i = 0; i < tensor.rows(); i++) {
      run.accept((int) (tensor.offset() + i * tensor.rowStride()), i * columns, columns);
    }
  }
}
