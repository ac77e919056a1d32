package org.reformer4j.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

class LshSortTest {
  private static final Sequences FOUR = Sequences.full(1, 4);

  @Test
  void bucketsOutOfRangeAreNamedHoweverManyThereAre() {
    try (ReferenceBackend backend = new ReferenceBackend(new BackendOptions(1, 1 << 20));
        TensorScope scope = backend.scope("test")) {
      Tensor buckets = scope.allocate(DType.I32, 1, 4);
      Tensor order = scope.allocate(DType.I32, 1, 4);
      for (int count : new int[] {4, 1 << 20}) {
        HashSpec hash = HashSpec.of(1, count);
        for (int wrong : new int[] {-1, count + 1}) {
          backend.upload(buckets, new int[] {count, 0, wrong, 0});
          IllegalArgumentException error =
              assertThrows(
                  IllegalArgumentException.class,
                  () -> backend.lshSort(order, buckets, FOUR, hash));
          String message = error.getMessage();
          assertTrue(message.contains("bucket of position 2 must be in 0.." + count), message);
          assertTrue(message.contains("got " + wrong), message);
        }
        backend.upload(buckets, new int[] {count, 0, count, 0});
        backend.lshSort(order, buckets, FOUR, hash);
        assertArrayEquals(new int[] {1, 3, 0, 2}, backend.downloadInts(order));
      }
    }
  }
}
