package org.reformer4j.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Addends that no fixed-point number stands for. */
class FixedStreamTest {
  @Test
  void addendsOutOfRangeAreReportedEvenIfTheSumIsInRange() {
    float[] addends = {Float.NaN, 3000f, Float.NEGATIVE_INFINITY, 2048f, -2048f};
    float[] starts = {1f, -1000f, 2000f, -1f, 1f};
    int[] sums = {
      1 << 20,
      Integer.MAX_VALUE - 1000 * (1 << 20),
      Integer.MIN_VALUE + 2000 * (1 << 20),
      Integer.MAX_VALUE - (1 << 20),
      Integer.MIN_VALUE + (1 << 20)
    };
    try (ReferenceBackend backend = new ReferenceBackend(new BackendOptions(1, 1 << 20));
        TensorScope scope = backend.scope("test")) {
      Tensor acc = scope.allocate(DType.FIXED, 1, 1);
      Tensor y = scope.allocate(DType.F32, 1, 1);
      for (int i = 0; i < addends.length; i++) {
        backend.fill(acc, starts[i]);
        backend.fill(y, addends[i]);
        BackendException error =
            assertThrows(
                BackendException.class, () -> backend.residual(acc, y, null, 1, Dropout.NONE));
        assertEquals("residual", error.op());
        assertArrayEquals(new int[] {sums[i]}, backend.downloadInts(acc));
      }
      backend.fill(acc, 0f);
      backend.fill(y, Math.nextUp(-2048f));
      backend.residual(acc, y, null, 1, Dropout.NONE);
      assertArrayEquals(new int[] {Integer.MIN_VALUE + 128}, backend.downloadInts(acc));
    }
  }
}
