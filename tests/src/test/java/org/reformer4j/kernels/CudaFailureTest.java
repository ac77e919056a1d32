package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.ExclusiveUse;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.TestBackends;

/** What goes wrong says so, and leaves everything else as it was. */
@EnabledIfSystemProperty(named = SimulatedCuda.PROPERTY, matches = "true")
class CudaFailureTest {
  /** The simulated device is lost, with this status, by an allocation of 2^50 bytes and as many. */
  private static final int ILLEGAL_ADDRESS = 700;

  @Test
  void saysThatItIsUsable() {
    BackendStatus status = SimulatedCuda.provider().probe();
    assertTrue(status.available(), status.reason());
    assertTrue(status.reason().contains("devices: 1"), status.reason());
    assertTrue(
        SimulatedCuda.provider().preference() > new CpuBackendProvider().preference(),
        "auto takes a GPU first");
  }

  @Test
  void lostDevicesAreLostForGood() {
    Backend backend = SimulatedCuda.open();
    TensorScope scope = backend.scope("test");
    Tensor tensor = scope.allocate(DType.F32, 8);
    BackendException first =
        assertThrows(
            BackendException.class, () -> scope.allocate(DType.I8, (1L << 50) + ILLEGAL_ADDRESS));
    assertEquals(ILLEGAL_ADDRESS, first.code());
    assertTrue(first.fatal());
    assertTrue(first.getMessage().contains("cudaErrorIllegalAddress"), first.getMessage());
    assertTrue(first.getMessage().contains("reference"), first.getMessage());
    for (Runnable call :
        new Runnable[] {
          () -> backend.fill(tensor, 1f),
          () -> backend.download(tensor),
          () -> backend.layerNorm(tensor, tensor, tensor, tensor, 1e-5f),
          () -> scope.allocate(DType.F32, 1),
          backend::synchronize
        }) {
      BackendException later = assertThrows(BackendException.class, call::run);
      assertTrue(later.fatal());
      assertEquals(ILLEGAL_ADDRESS, later.code());
      assertTrue(later.getMessage().contains("cudaErrorIllegalAddress"), later.getMessage());
    }
    scope.close();
    assertEquals(0, backend.liveBytes());
    backend.close();
    try (Backend reference = TestBackends.reference();
        TensorScope other = reference.scope("test")) {
      Tensor sum = other.allocate(DType.F32, 2);
      reference.fill(sum, 2f);
      assertEquals(8.0, reference.sumOfSquares(sum));
    }
  }

  @Test
  void tensorsOfAnotherBackendAreRefused() {
    try (Backend backend = SimulatedCuda.open();
        Backend second = SimulatedCuda.open();
        Backend reference = TestBackends.reference();
        TensorScope own = backend.scope("own");
        TensorScope alien = second.scope("alien");
        TensorScope host = reference.scope("host")) {
      Tensor mine = own.allocate(DType.F32, 2, 2);
      for (Tensor foreign :
          new Tensor[] {alien.allocate(DType.F32, 2, 2), host.allocate(DType.F32, 2, 2)}) {
        for (Runnable call :
            new Runnable[] {
              () -> backend.copy(mine, foreign),
              () -> backend.gemm(mine, foreign, false, mine, false, 1f, 0f),
              () -> backend.residual(mine, foreign, null, 1, Dropout.NONE),
              () -> backend.download(foreign)
            }) {
          IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call::run);
          assertTrue(error.getMessage().contains("another backend"), error.getMessage());
        }
      }
    }
  }

  @Test
  void secondThreadsAreRefused() throws InterruptedException {
    try (Backend backend = SimulatedCuda.open();
        TensorScope scope = backend.scope("test")) {
      Tensor tensor = scope.allocate(DType.F32, 4);
      AtomicReference<Throwable> seen = new AtomicReference<>();
      CountDownLatch inside = new CountDownLatch(1);
      CountDownLatch done = new CountDownLatch(1);
      ExclusiveUse use = new ExclusiveUse();
      Thread first =
          new Thread(
              () ->
                  use.run(
                      "download",
                      () -> {
                        inside.countDown();
                        await(done);
                      }),
              "first");
      first.start();
      inside.await();
      try {
        use.run("gemm", () -> {});
      } catch (IllegalStateException e) {
        seen.set(e);
      }
      done.countDown();
      first.join();
      assertTrue(seen.get().getMessage().contains("gemm"), seen.get().getMessage());
      assertTrue(seen.get().getMessage().contains("'first'"), seen.get().getMessage());
      // One thread after the other is fine, on whatever thread the device was opened.
      float[][] result = new float[1][];
      Thread next =
          new Thread(
              () -> {
                backend.fill(tensor, 3f);
                result[0] = backend.download(tensor);
              });
      next.start();
      next.join();
      assertEquals(3f, result[0][2]);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void namesItself() {
    try (Backend backend = SimulatedCuda.open()) {
      assertEquals("cuda", backend.name());
      assertFalse(backend.description().isBlank());
    }
  }
}
