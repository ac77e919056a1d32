package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.TestBackends;

/** Device memory: accounting, limits, and the ways in and out. */
@EnabledIf("org.reformer4j.kernels.SimulatedCuda#available")
class CudaMemoryTest {
  private Backend backend;

  @BeforeEach
  void open() {
    backend = SimulatedCuda.open();
  }

  @AfterEach
  void close() {
    backend.close();
  }

  @Test
  void countsLiveAndPeakBytes() {
    try (TensorScope outer = backend.scope("outer")) {
      outer.allocate(DType.F32, 10, 10);
      try (TensorScope inner = outer.child("inner")) {
        inner.allocate(DType.BF16, 7);
        inner.allocate(DType.I8, 3);
        assertEquals(417, backend.liveBytes());
      }
      assertEquals(400, backend.liveBytes());
      assertEquals(417, backend.peakBytes());
      backend.resetPeak();
      assertEquals(400, backend.peakBytes());
      Tensor empty = outer.allocate(DType.F32, 0, 5);
      backend.fill(empty, 1f);
      assertArrayEquals(new float[0], backend.download(empty));
    }
    assertEquals(0, backend.liveBytes());
  }

  @Test
  void workspacesAreNotLive() {
    try (TensorScope scope = backend.scope("test")) {
      Tensor a = SimulatedCuda.matrix(backend, scope, 1, 8, 8);
      Tensor c = scope.allocate(DType.F32, 8, 8);
      long before = backend.liveBytes();
      backend.gemm(c, a, false, a, false, 1f, 0f);
      assertEquals(before, backend.liveBytes());
    }
  }

  @Test
  void refusesWhatExceedsTheLimitOrTheDevice() {
    try (Backend small = SimulatedCuda.open(1000);
        TensorScope scope = small.scope("step")) {
      Tensor first = scope.allocate(DType.F32, 200);
      OutOfDeviceMemoryException error =
          assertThrows(OutOfDeviceMemoryException.class, () -> scope.allocate(DType.F32, 51));
      for (String part : new String[] {"204 bytes", "'step'", "800", "limit of 1000"}) {
        assertTrue(error.getMessage().contains(part), error.getMessage());
      }
      small.fill(first, 2f);
      assertEquals(2f, small.download(first)[199]);
    }
    try (TensorScope scope = backend.scope("step")) {
      OutOfDeviceMemoryException error =
          assertThrows(OutOfDeviceMemoryException.class, () -> scope.allocate(DType.I8, 1L << 45));
      for (String part : new String[] {"35184372088832 bytes", "the device has", "smaller batch"}) {
        assertTrue(error.getMessage().contains(part), error.getMessage());
      }
      assertThrows(
          OutOfDeviceMemoryException.class, () -> scope.allocate(DType.F32, Long.MAX_VALUE / 3));
      assertEquals(0, backend.liveBytes());
      Tensor after = scope.allocate(DType.F32, 4);
      backend.fill(after, 1f);
      assertEquals(1f, backend.download(after)[3]);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16", "FIXED"})
  void realNumbersArriveAsInTheReference(DType type) {
    float[] values = SimulatedCuda.normals(5, 7 * 11);
    values[3] = Float.NaN;
    values[4] = 1e30f;
    try (Backend reference = TestBackends.reference();
        TensorScope expected = reference.scope("expected");
        TensorScope actual = backend.scope("actual")) {
      float[][] results = new float[2][];
      Backend[] both = {reference, backend};
      TensorScope[] scopes = {expected, actual};
      for (int i = 0; i < 2; i++) {
        Tensor whole = scopes[i].allocate(type, 9, 20);
        both[i].fill(whole, 0.3f);
        Tensor view = whole.rows(1, 7).columns(4, 11);
        both[i].upload(view, values);
        Tensor copy = scopes[i].allocate(type, 9, 22).columns(1, 20);
        both[i].fill(copy, -1f);
        both[i].copy(copy.rows(0, 7).columns(0, 11), view);
        float[] first = both[i].download(whole);
        float[] second = both[i].download(copy);
        results[i] = java.util.Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, results[i], first.length, second.length);
      }
      assertArrayEquals(results[0], results[1]);
    }
  }

  @Test
  void integersArrive() {
    try (TensorScope scope = backend.scope("test")) {
      Tensor ints = scope.allocate(DType.I32, 3, 8).columns(2, 5);
      int[] numbers = new java.util.Random(1).ints(15).toArray();
      backend.upload(ints, numbers);
      assertArrayEquals(numbers, backend.downloadInts(ints));
      Tensor fixed = scope.allocate(DType.FIXED, 4);
      backend.fill(fixed, 1.5f);
      assertArrayEquals(
          new int[] {3 << 19, 3 << 19, 3 << 19, 3 << 19}, backend.downloadInts(fixed));
      Tensor bytes = scope.allocate(DType.I8, 2, 3);
      backend.upload(bytes, new byte[] {1, -2, 3, -4, 5, -128});
    }
  }

  /** More than one block of the buffer between host and device, in rows and as one row. */
  @Test
  void largeTensorsArrive() {
    float[] values = SimulatedCuda.normals(9, 3_000_000);
    try (TensorScope scope = backend.scope("test")) {
      Tensor row = scope.allocate(DType.F32, 3_000_000);
      backend.upload(row, values);
      assertArrayEquals(values, backend.download(row));
      Tensor wide = scope.allocate(DType.F32, 2, 1_500_007).columns(5, 1_500_000);
      backend.upload(wide, values);
      assertArrayEquals(values, backend.download(wide));
      Tensor tall = scope.allocate(DType.F32, 30_000, 103).columns(1, 100);
      backend.copy(tall, row.reshape(30_000, 100));
      assertArrayEquals(values, backend.download(tall));
    }
  }

  @Test
  void refusesWrongTypesAndLengths() {
    try (TensorScope scope = backend.scope("test")) {
      Tensor floats = scope.allocate(DType.F32, 4);
      Tensor ints = scope.allocate(DType.I32, 4);
      for (Runnable wrong :
          new Runnable[] {
            () -> backend.upload(floats, new float[3]),
            () -> backend.upload(ints, new float[4]),
            () -> backend.upload(floats, new int[4]),
            () -> backend.download(ints),
            () -> backend.downloadInts(floats),
            () -> backend.fill(ints, 1f),
            () -> backend.copy(floats, ints)
          }) {
        assertThrows(IllegalArgumentException.class, wrong::run);
      }
    }
  }

  @Test
  void closedScopesAndBackendsSaySo() {
    TensorScope scope = backend.scope("test");
    Tensor tensor = scope.allocate(DType.F32, 4);
    scope.close();
    assertThrows(IllegalStateException.class, () -> backend.fill(tensor, 1f));
    TensorScope left = backend.scope("left");
    left.allocate(DType.F32, 4);
    backend.close();
    backend.close();
    left.close();
    IllegalStateException error =
        assertThrows(IllegalStateException.class, () -> left.child("child"));
    assertTrue(error.getMessage().contains("closed"), error.getMessage());
    assertThrows(IllegalStateException.class, backend::synchronize);
  }
}
