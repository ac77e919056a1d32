package org.reformer4j.reference;

import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/**
 * c = alpha * op(a) * op(b) + beta * c.
 *
 * <p>An element is beta * c followed by one chain of fused multiply-adds over k = 0, 1, 2, ...; a
 * product accumulated in several calls with beta 1 therefore gives the bits of a single call.
 */
final class Gemm {
  /** Terms and columns of the block of b that is copied to row arrays: 256 x 512 floats fit L2. */
  private static final int BLOCK_TERMS = 256;

  private static final int BLOCK_COLUMNS = 512;
  private static final int BLOCK_ROWS = 32;

  /** Fused multiply-adds that are worth a thread. */
  private static final long WORK_PER_THREAD = 1 << 16;

  private Gemm() {}

  static void run(
      Workers workers,
      Tensor c,
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta) {
    KernelArguments.F32.gemm(c, a, transposeA, b, transposeB);
    int rows = (int) c.rows();
    int columns = (int) c.columns();
    int terms = (int) (transposeA ? a.rows() : a.columns());
    FloatRows target = FloatRows.of(c);
    FloatRows left = FloatRows.of(a);
    FloatRows right = FloatRows.of(b);
    long work = (long) rows * columns * Math.max(1, terms);
    if (rows <= FewRows.LIMIT && transposeB && !transposeA) {
      int grain = (int) Math.max(1, WORK_PER_THREAD * columns / Math.max(1, work));
      workers.forRange(
          columns, grain, (from, to) -> FewRows.run(target, left, right, alpha, beta, from, to));
      return;
    }
    if (rows >= columns) {
      int grain = (int) Math.max(1, WORK_PER_THREAD * rows / Math.max(1, work));
      workers.forRange(
          rows,
          grain,
          (from, to) ->
              block(
                  target,
                  left,
                  transposeA,
                  right,
                  transposeB,
                  alpha,
                  beta,
                  from,
                  to,
                  0,
                  columns,
                  terms));
    } else {
      int grain = (int) Math.max(1, WORK_PER_THREAD * columns / Math.max(1, work));
      workers.forRange(
          columns,
          grain,
          (from, to) ->
              block(
                  target,
                  left,
                  transposeA,
                  right,
                  transposeB,
                  alpha,
                  beta,
                  0,
                  rows,
                  from,
                  to,
                  terms));
    }
  }

  private static void block(
      FloatRows c,
      FloatRows a,
      boolean transposeA,
      FloatRows b,
      boolean transposeB,
      float alpha,
      float beta,
      int rowFrom,
      int rowTo,
      int columnFrom,
      int columnTo,
      int terms) {
    scale(c, beta, rowFrom, rowTo, columnFrom, columnTo);
    int width = Math.min(BLOCK_COLUMNS, columnTo - columnFrom);
    int depth = Math.min(BLOCK_TERMS, terms);
    float[][] packedB = new float[depth][width];
    float[][] packedA = new float[BLOCK_ROWS][depth];
    float[][] sums = new float[BLOCK_ROWS][width];
    for (int n = columnFrom; n < columnTo; n += BLOCK_COLUMNS) {
      int blockColumns = Math.min(BLOCK_COLUMNS, columnTo - n);
      for (int k = 0; k < terms; k += BLOCK_TERMS) {
        int blockTerms = Math.min(BLOCK_TERMS, terms - k);
        pack(packedB, b, transposeB, k, blockTerms, n, blockColumns, 1f);
        for (int m = rowFrom; m < rowTo; m += BLOCK_ROWS) {
          int blockRows = Math.min(BLOCK_ROWS, rowTo - m);
          pack(packedA, a, transposeA, m, blockRows, k, blockTerms, alpha);
          for (int i = 0; i < blockRows; i++) {
            System.arraycopy(c.data, c.at(m + i) + n, sums[i], 0, blockColumns);
          }
          RowProducts.accumulate(sums, packedA, packedB, blockRows, blockTerms, blockColumns);
          for (int i = 0; i < blockRows; i++) {
            System.arraycopy(sums[i], 0, c.data, c.at(m + i) + n, blockColumns);
          }
        }
      }
    }
  }

  private static void scale(
      FloatRows c, float beta, int rowFrom, int rowTo, int columnFrom, int columnTo) {
    if (beta == 1f) {
      return;
    }
    for (int i = rowFrom; i < rowTo; i++) {
      int from = c.at(i) + columnFrom;
      int to = c.at(i) + columnTo;
      if (beta == 0f) {
        java.util.Arrays.fill(c.data, from, to, 0f);
      } else {
        for (int j = from; j < to; j++) {
          c.data[j] *= beta;
        }
      }
    }
  }

  /** Copies rows x columns of op(source) from (row, column) on into row arrays, times a factor. */
  private static void pack(
      float[][] packed,
      FloatRows source,
      boolean transposed,
      int row,
      int rows,
      int column,
      int columns,
      float factor) {
    float[] data = source.data;
    if (transposed) {
      for (int j = 0; j < columns; j++) {
        int from = source.at(column + j) + row;
        for (int i = 0; i < rows; i++) {
          packed[i][j] = data[from + i];
        }
      }
    } else {
      for (int i = 0; i < rows; i++) {
        System.arraycopy(data, source.at(row + i) + column, packed[i], 0, columns);
      }
    }
    if (factor != 1f) {
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          packed[i][j] *= factor;
        }
      }
    }
  }
}
