package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Products against sums in double, for all transposes, strides and types. */
@EnabledIf("org.reformer4j.kernels.SimulatedCuda#available")
class CudaGemmTest {
  private static final int[][] SIZES = {
    {1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {4, 130, 60}, {70, 3, 65}, {1, 8, 16}, {8, 1, 16}, {8, 4, 1}
  };

  private static final List<DType[]> TYPES =
      List.of(
          new DType[] {DType.F32, DType.F32},
          new DType[] {DType.BF16, DType.F32},
          new DType[] {DType.BF16, DType.BF16});

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3})
  void agreesWithTheFormula(int transposes) {
    try (Backend backend = SimulatedCuda.open()) {
      for (int[] size : SIZES) {
        for (DType[] types : TYPES) {
          for (float beta : new float[] {0f, 1f, -0.5f}) {
            try (TensorScope scope = backend.scope("test")) {
              product(
                  backend, scope, size, types, (transposes & 1) > 0, (transposes & 2) > 0, beta);
            }
          }
        }
      }
      assertEquals(0, backend.liveBytes());
    }
  }

  private static void product(
      Backend backend,
      TensorScope scope,
      int[] size,
      DType[] types,
      boolean transposeA,
      boolean transposeB,
      float beta) {
    int m = size[0];
    int n = size[1];
    int k = size[2];
    Tensor a =
        SimulatedCuda.view(backend, scope, types[0], 1, transposeA ? k : m, transposeA ? m : k);
    Tensor b =
        SimulatedCuda.view(backend, scope, types[0], 2, transposeB ? n : k, transposeB ? k : n);
    Tensor c = SimulatedCuda.view(backend, scope, types[1], 3, m, n);
    float[] left = backend.download(a);
    float[] right = backend.download(b);
    float[] old = backend.download(c);
    if (beta == 0f) {
      backend.fill(c, Float.NaN);
    }
    backend.gemm(c, a, transposeA, b, transposeB, 0.75f, beta);
    float[] actual = backend.download(c);
    double tolerance = types[1] == DType.BF16 ? 1.0 / 128 : 1e-5;
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = beta * (double) old[i * n + j];
        double magnitude = 1 + Math.abs(sum);
        for (int p = 0; p < k; p++) {
          double term =
              0.75
                  * left[transposeA ? p * m + i : i * k + p]
                  * right[transposeB ? j * k + p : p * n + j];
          sum += term;
          magnitude += Math.abs(term);
        }
        assertEquals(
            sum,
            actual[i * n + j],
            tolerance * (types[1] == DType.BF16 ? 1 + Math.abs(sum) : magnitude),
            () -> a + " " + b + " " + c);
      }
    }
  }

  /** The product of no terms is beta * c, as in BLAS. */
  @Test
  void productsOfNoTermsScale() {
    try (Backend backend = SimulatedCuda.open();
        TensorScope scope = backend.scope("test")) {
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        Tensor c = SimulatedCuda.view(backend, scope, type, 3, 3, 70);
        Tensor a = scope.allocate(type, 3, 0);
        Tensor b = scope.allocate(type, 0, 70);
        float[] values = backend.download(c);
        backend.gemm(c, a, false, b, false, 1f, 1f);
        assertArrayEquals(values, backend.download(c));
        backend.gemm(c, a, false, b, false, 1f, 2f);
        for (int i = 0; i < values.length; i++) {
          values[i] *= 2;
        }
        assertArrayEquals(values, backend.download(c));
        backend.gemm(c, a, false, b, false, 1f, 0f);
        assertArrayEquals(new float[values.length], backend.download(c));
        Tensor none = scope.allocate(type, 0, 70);
        backend.gemm(
            none, scope.allocate(type, 0, 5), false, scope.allocate(type, 5, 70), false, 1f, 0f);
      }
    }
  }

  /** More shapes than plans are kept; the first ones are made again. */
  @Test
  void plansComeAndGo() {
    try (Backend backend = SimulatedCuda.open();
        TensorScope scope = backend.scope("test")) {
      Tensor a = SimulatedCuda.matrix(backend, scope, 1, 700, 2);
      Tensor b = SimulatedCuda.matrix(backend, scope, 2, 2, 1);
      Tensor c = scope.allocate(DType.F32, 700, 1);
      float[][] results = new float[2][];
      for (int round = 0; round < 2; round++) {
        for (int rows = 1; rows <= 700; rows++) {
          backend.gemm(c.rows(0, rows), a.rows(0, rows), false, b, false, 1f, 0f);
        }
        results[round] = backend.download(c);
      }
      assertArrayEquals(results[0], results[1]);
    }
  }

  @Test
  void refusesWrongShapesAndTypes() {
    try (Backend backend = SimulatedCuda.open();
        TensorScope scope = backend.scope("test")) {
      Tensor a = scope.allocate(DType.F32, 3, 4);
      Tensor b = scope.allocate(DType.F32, 4, 5);
      Tensor c = scope.allocate(DType.F32, 3, 5);
      Tensor half = scope.allocate(DType.BF16, 3, 5);
      refused(() -> backend.gemm(c, a, false, b, true, 1f, 0f), "b (transposed)");
      refused(() -> backend.gemm(c, b, false, a, false, 1f, 0f), "a ");
      refused(() -> backend.gemm(half, a, false, b, false, 1f, 0f), "a must be BF16");
      refused(() -> backend.gemm(c, a, false, half, false, 1f, 0f), "b must be F32");
      refused(() -> backend.gemm(c, null, false, b, false, 1f, 0f), "a must be");
    }
  }

  private static void refused(Runnable call, String part) {
    IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(error.getMessage().startsWith("gemm: "), error.getMessage());
    assertTrue(error.getMessage().contains(part), error.getMessage());
  }
}
