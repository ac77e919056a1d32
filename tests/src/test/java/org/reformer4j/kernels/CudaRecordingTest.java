package org.reformer4j.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Recording;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Recordings as graphs: memory, what they refuse, and what is left after a failure. */
@EnabledIf("org.reformer4j.kernels.SimulatedCuda#available")
class CudaRecordingTest {
  private static final float LARGE = 1500f;

  private Backend backend;
  private TensorScope scope;
  private Tensor x;

  @BeforeEach
  void open() {
    backend = SimulatedCuda.open();
    scope = backend.scope("test");
    x = scope.allocate(DType.F32, 16, 16);
    backend.fill(x, 1f);
  }

  @AfterEach
  void close() {
    scope.close();
    assertEquals(0, backend.liveBytes());
    backend.close();
  }

  private IllegalStateException refused(Runnable operations) {
    long live = backend.liveBytes();
    IllegalStateException error =
        assertThrows(IllegalStateException.class, () -> backend.record(operations));
    assertEquals(live, backend.liveBytes());
    works();
    return error;
  }

  /** The backend is as before: it computes, waits and records. */
  private void works() {
    try (TensorScope inner = backend.scope("works");
        Recording recording = backend.record(() -> backend.fill(x, 5f))) {
      Tensor product = inner.allocate(DType.F32, 16, 16);
      backend.fill(x, 3f);
      backend.gemm(product, x, false, x, false, 1f, 0f);
      assertEquals(144f, backend.download(product)[7]);
      recording.replay();
      assertEquals(5f, backend.download(x)[255]);
    }
  }

  @Test
  void refusesWhatIsNoOperationOnTheDevice() {
    assertTrue(backend.records());
    Tensor ints = scope.allocate(DType.I32, 2);
    Tensor bytes = scope.allocate(DType.I8, 2);
    Recording other = backend.record(() -> backend.fill(x, 1f));
    Map<String, Runnable> calls = new LinkedHashMap<>();
    calls.put("upload floats", () -> backend.upload(x, new float[256]));
    calls.put("upload ints", () -> backend.upload(ints, new int[2]));
    calls.put("upload bytes", () -> backend.upload(bytes, new byte[2]));
    calls.put("download", () -> backend.download(x));
    calls.put("downloadInts", () -> backend.downloadInts(ints));
    calls.put("synchronize", backend::synchronize);
    calls.put("sumOfSquares", () -> backend.sumOfSquares(x));
    calls.put("availableBytes", backend::availableBytes);
    calls.put("resetPeak", backend::resetPeak);
    calls.put("record", () -> backend.record(() -> backend.fill(x, 2f)));
    calls.put("replay", other::replay);
    calls.put("close a recording", other::close);
    calls.put("close", backend::close);
    calls.forEach(
        (name, call) -> {
          IllegalStateException first =
              refused(
                  () -> {
                    backend.fill(x, 2f);
                    call.run();
                  });
          assertTrue(first.getMessage().startsWith(name.split(" ")[0] + ":"), first.getMessage());
          assertTrue(first.getMessage().contains("recorded"), first.getMessage());
          // In the run that is captured, too.
          int[] runs = {0};
          IllegalStateException second =
              refused(
                  () -> {
                    backend.fill(x, 2f);
                    if (++runs[0] == 2) {
                      call.run();
                    }
                  });
          assertEquals(first.getMessage(), second.getMessage());
          assertEquals(2, runs[0]);
        });
    other.replay();
    assertEquals(1f, backend.download(x)[0]);
    other.close();
  }

  @Test
  void bytesOfARecordingAreLiveUntilItIsClosed() {
    long before = backend.liveBytes();
    Runnable operations =
        () -> {
          for (int n = 0; n < 3; n++) {
            try (TensorScope inner = backend.scope("inner")) {
              Tensor a = inner.allocate(DType.F32, 1000);
              backend.fill(a, n);
            }
          }
        };
    try (Recording recording = backend.record(operations)) {
      assertEquals(before + 4000, backend.liveBytes(), "one block, in turns");
      assertTrue(backend.peakBytes() >= backend.liveBytes());
      backend.resetPeak();
      assertEquals(before + 4000, backend.peakBytes());
      recording.replay();
      assertEquals(before + 4000, backend.liveBytes());
    }
    assertEquals(before, backend.liveBytes());
  }

  /** Recordings share the workspace that they know, and keep it when the backend takes another. */
  @Test
  void keepsItsWorkspace() {
    Tensor sums = scope.allocate(DType.F32, 16);
    Tensor large = scope.allocate(DType.F32, 4096, 512);
    Tensor largeSums = scope.allocate(DType.F32, 512);
    backend.fill(large, 1f);
    backend.fill(largeSums, 0f);
    Runnable gradient = () -> backend.biasGradient(sums, x);
    backend.fill(sums, 0f);
    Recording first = backend.record(gradient);
    Recording second = backend.record(gradient);
    assertEquals(32f, backend.download(sums)[3]);
    long live = backend.liveBytes();
    backend.resetPeak();
    long kept = backend.peakBytes() - live;
    assertTrue(kept > 0, "one workspace of both");
    backend.biasGradient(largeSums, large);
    assertTrue(backend.peakBytes() > live + 2 * kept, "another one");
    first.replay();
    second.replay();
    assertEquals(64f, backend.download(sums)[3]);
    assertEquals(4096f, backend.download(largeSums)[511]);
    first.close();
    backend.resetPeak();
    assertEquals(live + kept, backend.peakBytes());
    second.replay();
    assertEquals(80f, backend.download(sums)[3]);
    second.close();
    backend.resetPeak();
    assertEquals(live, backend.peakBytes());
  }

  @Test
  void refusesOperationsThatDifferInTheSecondRun() {
    Tensor stream = scope.allocate(DType.FIXED, 16, 16);
    backend.fill(stream, 0f);
    Map<String, Runnable> more = new LinkedHashMap<>();
    more.put(
        "scope 'inner' with 308 bytes",
        () -> {
          try (TensorScope inner = backend.scope("inner")) {
            inner.allocate(DType.F32, 77);
          }
        });
    Tensor sums = scope.allocate(DType.F32, 16);
    more.put("the workspace of biasGradient", () -> backend.biasGradient(sums, x));
    more.put("residual", () -> backend.residual(stream, x, null, 1, Dropout.NONE));
    AttentionSpec ragged =
        new AttentionSpec(
            Sequences.of(8, new int[] {8, 5}, new int[] {8, 8}), 2, 8, 4, 1, 0, true, Dropout.NONE);
    Tensor lse = scope.allocate(DType.F32, 2, 2, 8);
    more.put("localAttention", () -> backend.localAttention(x, lse, x, x, x, null, null, ragged));
    more.forEach(
        (name, operation) -> {
          int[] runs = {0};
          IllegalStateException error =
              refused(
                  () -> {
                    backend.fill(x, 1f);
                    if (++runs[0] == 2) {
                      operation.run();
                    }
                  });
          assertTrue(error.getMessage().contains(name), error.getMessage());
          assertTrue(error.getMessage().contains("first run"), error.getMessage());
        });
  }

  @Test
  void refusesScopesThatTheOperationsDoNotCloseOrHaveNotOpened() {
    long before = backend.liveBytes();
    for (int run = 1; run <= 2; run++) {
      int[] runs = {0};
      int leaving = run;
      TensorScope[] left = new TensorScope[1];
      IllegalStateException error =
          assertThrows(
              IllegalStateException.class,
              () ->
                  backend.record(
                      () -> {
                        TensorScope inner = backend.scope("left");
                        backend.fill(inner.allocate(DType.F32, 100), 1f);
                        if (++runs[0] == leaving) {
                          left[0] = inner;
                        } else {
                          inner.close();
                        }
                      }));
      assertTrue(error.getMessage().contains("close each scope"), error.getMessage());
      assertEquals(before + 400, backend.liveBytes(), "the scope still has it");
      Tensor fresh = scope.allocate(DType.F32, 100);
      left[0].close();
      assertEquals(before + 400, backend.liveBytes());
      backend.fill(fresh, 4f);
      assertEquals(4f, backend.download(fresh)[99]);
      before += 400;
    }
    TensorScope old = backend.scope("old");
    old.allocate(DType.F32, 100);
    IllegalStateException error =
        assertThrows(IllegalStateException.class, () -> backend.record(old::close));
    assertTrue(error.getMessage().contains("had not opened"), error.getMessage());
    assertEquals(before, backend.liveBytes());
    works();
  }

  @Test
  void errorsPassAndLeaveTheBackendAsItWas() {
    for (int run = 1; run <= 2; run++) {
      int failing = run;
      int[] runs = {0};
      IllegalArgumentException mine = new IllegalArgumentException("mine");
      long before = backend.liveBytes();
      assertSame(
          mine,
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  backend.record(
                      () -> {
                        try (TensorScope inner = backend.scope("inner")) {
                          backend.fill(inner.allocate(DType.F32, 10), 1f);
                          if (++runs[0] == failing) {
                            throw mine;
                          }
                        }
                      })));
      assertEquals(before, backend.liveBytes());
      works();
    }
    try (Backend small = SimulatedCuda.open(1000);
        TensorScope inner = small.scope("small")) {
      Tensor tensor = inner.allocate(DType.F32, 10);
      assertThrows(
          OutOfDeviceMemoryException.class,
          () ->
              small.record(
                  () -> {
                    try (TensorScope large = small.scope("large")) {
                      large.allocate(DType.F32, 300);
                    }
                  }));
      small.fill(tensor, 1f);
      assertEquals(1f, small.download(tensor)[9]);
    }
  }

  @Test
  void refusesToReplayOnTensorsThatAreGone() {
    TensorScope old = backend.scope("old");
    Tensor source = old.allocate(DType.F32, 16, 16);
    backend.fill(source, 2f);
    try (Recording recording = backend.record(() -> backend.copy(x, source))) {
      recording.replay();
      old.close();
      IllegalStateException error = assertThrows(IllegalStateException.class, recording::replay);
      assertTrue(error.getMessage().contains("freed"), error.getMessage());
    }
    works();
  }

  @Test
  void recordingsEndWithTheirBackend() {
    Backend second = SimulatedCuda.open();
    TensorScope inner = second.scope("second");
    Tensor tensor = inner.allocate(DType.F32, 4);
    Recording recording =
        second.record(
            () -> {
              try (TensorScope own = second.scope("own")) {
                second.copy(own.allocate(DType.F32, 4), tensor);
              }
            });
    inner.close();
    second.close();
    recording.close();
    assertThrows(IllegalStateException.class, recording::replay);
  }

  @Test
  @EnabledIfSystemProperty(named = SimulatedCuda.PROPERTY, matches = "true")
  void lostDevicesAreReportedByReplays() {
    Backend second = SimulatedCuda.open();
    TensorScope inner = second.scope("second");
    Tensor tensor = inner.allocate(DType.F32, 4);
    Recording recording = second.record(() -> second.fill(tensor, 1f));
    assertThrows(BackendException.class, () -> inner.allocate(DType.I8, (1L << 50) + 700));
    BackendException lost = assertThrows(BackendException.class, recording::replay);
    assertTrue(lost.fatal());
    assertEquals(700, lost.code());
    assertTrue(
        assertThrows(BackendException.class, () -> second.record(() -> second.fill(tensor, 1f)))
            .fatal());
    recording.close();
    inner.close();
    assertEquals(0, second.liveBytes());
    second.close();
    // The device of the other backend, which is the same one, was lost with it.
    scope.close();
    backend.close();
    open();
  }

  private static void assertLeftRange(String place, Runnable waiting) {
    BackendException error = assertThrows(BackendException.class, waiting::run);
    assertFalse(error.fatal());
    assertTrue(error.getMessage().contains("left its range"), error.getMessage());
    assertTrue(error.getMessage().contains(place), error.getMessage());
  }

  @Test
  void streamsThatLeaveTheirRangeInAReplayAreReportedAtTheNextWait() {
    Tensor first = scope.allocate(DType.FIXED, 4, 16);
    Tensor second = scope.allocate(DType.FIXED, 4, 16);
    Tensor y = scope.allocate(DType.F32, 4, 16);
    Runnable operations =
        () -> {
          backend.place("layer 1, attention");
          backend.residual(first, y, null, 1, Dropout.NONE);
          backend.place("layer 2, feed-forward");
          backend.residual(second, y, null, 1, Dropout.NONE);
          backend.place("");
        };
    backend.fill(first, 0f);
    backend.fill(second, 0f);
    backend.fill(y, 1f);
    Recording recording = backend.record(operations);
    assertEquals(1f, backend.download(first)[5]);
    recording.replay();
    assertEquals(2f, backend.download(second)[5]);

    backend.fill(second, LARGE);
    backend.fill(y, 1000f);
    recording.replay();
    assertLeftRange("layer 2, feed-forward", backend::synchronize);
    // Reported once, and again where it happens again, of two steps the first.
    backend.synchronize();
    backend.fill(first, LARGE);
    recording.replay();
    assertLeftRange("layer 1, attention", () -> backend.download(y));
    assertEquals(1000f, backend.download(y)[0]);

    // Between steps that are not recorded.
    backend.fill(first, 0f);
    backend.fill(second, LARGE);
    backend.place("alone");
    backend.residual(first, y, null, 1, Dropout.NONE);
    recording.replay();
    backend.residual(first, y, null, -1, Dropout.NONE);
    assertLeftRange("layer 2, feed-forward", () -> backend.sumOfSquares(y));
    backend.fill(first, LARGE);
    backend.residual(first, y, null, 1, Dropout.NONE);
    recording.replay();
    assertLeftRange("alone", backend::synchronize);
    backend.synchronize();
    backend.place("");

    // After the end of the recording.
    backend.fill(first, LARGE);
    recording.replay();
    recording.close();
    assertLeftRange("layer 1, attention", backend::synchronize);
    backend.synchronize();

    // In the run that is done while it is recorded, even where the other one fails.
    int[] runs = {0};
    backend.fill(first, LARGE);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            backend.record(
                () -> {
                  operations.run();
                  if (++runs[0] == 2) {
                    throw new IllegalArgumentException();
                  }
                }));
    assertLeftRange("layer 1, attention", backend::synchronize);
    backend.synchronize();
  }

  @Test
  void indicesAreNotLookedAtAndNotKnownAfterAReplay() {
    Tensor ids = scope.allocate(DType.I32, 3);
    Tensor source = scope.allocate(DType.I32, 3);
    Tensor positions = scope.allocate(DType.I32, 3);
    Tensor tokens = SimulatedCuda.matrix(backend, scope, 1, 5, 4);
    Tensor table = SimulatedCuda.matrix(backend, scope, 2, 7, 4);
    Tensor out = scope.allocate(DType.F32, 3, 4);
    EmbeddingSpec spec =
        new EmbeddingSpec(List.of(new EmbeddingSpec.Axis(7, 4, 1)), Dropout.NONE, Dropout.NONE, 3);
    backend.upload(positions, new int[] {0, 1, 2});
    backend.upload(source, new int[] {4, 0, 1});
    Runnable embed = () -> backend.embed(out, ids, positions, tokens, List.of(table), spec);
    // Ids that only the device knows: looking would be a wait.
    Runnable operations =
        () -> {
          backend.copy(ids, source);
          embed.run();
        };
    try (Recording recording = backend.record(operations)) {
      float[] recorded = backend.download(out);
      backend.upload(ids, new int[3]);
      backend.upload(source, new int[] {4, 0, 1});
      recording.replay();
      assertArrayEquals(recorded, backend.download(out));
      embed.run();
      assertArrayEquals(recorded, backend.download(out));
    }
    try (Recording recording = backend.record(() -> backend.copy(ids, source))) {
      backend.upload(ids, new int[3]);
      backend.upload(source, new int[] {0, 9, 0});
      recording.replay();
      IllegalArgumentException wrong = assertThrows(IllegalArgumentException.class, embed::run);
      assertTrue(wrong.getMessage().contains("9"), wrong.getMessage());
    }
  }
}
