package org.reformer4j.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

class FewRowsTest {
  /** Longer than a block of terms, and not a multiple of anything. */
  private static final int TERMS = 301;

  private static final int COLUMNS = 29;
  private static final int ROWS = 40;

  @Test
  void haveTheBitsOfTheSameRowsInALargeProduct() {
    try (ReferenceBackend backend = new ReferenceBackend(new BackendOptions(2, 1 << 22));
        TensorScope scope = backend.scope("test")) {
      Tensor a = random(backend, scope, ROWS, TERMS);
      Tensor b = random(backend, scope, COLUMNS, TERMS);
      Tensor start = random(backend, scope, ROWS, COLUMNS);
      Tensor c = scope.allocate(DType.F32, ROWS, COLUMNS);
      for (float beta : new float[] {0f, 1f, 2f}) {
        backend.copy(c, start);
        backend.gemm(c, a, false, b, true, 0.7f, beta);
        float[] expected = backend.download(c);
        for (int rows = 1; rows <= FewRows.LIMIT; rows++) {
          backend.copy(c, start);
          backend.gemm(c.rows(7, rows), a.rows(7, rows), false, b, true, 0.7f, beta);
          float[] few = backend.download(c.rows(7, rows));
          assertArrayEquals(Arrays.copyOfRange(expected, 7 * COLUMNS, (7 + rows) * COLUMNS), few);
        }
      }
    }
  }

  /** A view of a wider matrix. */
  private static Tensor random(ReferenceBackend backend, TensorScope scope, int rows, int columns) {
    Tensor tensor = scope.allocate(DType.F32, rows, columns + 3).columns(2, columns);
    Random random = new Random(rows * 31L + columns);
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    backend.upload(tensor, values);
    return tensor;
  }
}
