package org.reformer4j.reference;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

class LshAttentionTest {
  @Test
  void ordersThatDoNotListEveryPositionOnceAreRefused() {
    Sequences sequences = Sequences.of(4, new int[] {3}, new int[] {4});
    AttentionSpec spec = new AttentionSpec(sequences, 1, 2, 2, 1, 0, true, Dropout.NONE);
    HashSpec hash = HashSpec.of(1, 2);
    try (ReferenceBackend backend = new ReferenceBackend(new BackendOptions(1, 1 << 20));
        TensorScope scope = backend.scope("test")) {
      Tensor x = scope.allocate(DType.F32, 4, 2);
      backend.fill(x, 1f);
      Tensor out = scope.allocate(DType.F32, 4, 2);
      Tensor lse = scope.allocate(DType.F32, 1, 1, 4);
      Tensor order = scope.allocate(DType.I32, 1, 1, 1, 4);
      backend.upload(order, new int[] {2, 0, 1, -7});
      backend.lshAttention(out, lse, x, x, order, null, null, spec, hash);
      int[][] wrong = {{2, 0, 3, 1}, {2, 0, -1, 1}, {2, 0, 2, 1}};
      for (int[] values : wrong) {
        backend.upload(order, values);
        IllegalArgumentException error =
            assertThrows(
                IllegalArgumentException.class,
                () -> backend.lshAttention(out, lse, x, x, order, null, null, spec, hash));
        String message = error.getMessage();
        assertTrue(message.contains("each of 0..2 once"), message);
        assertTrue(message.contains("got " + values[2] + " as entry 2"), message);
      }
    }
  }
}
