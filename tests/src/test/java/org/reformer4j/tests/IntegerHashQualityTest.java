package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Integer hashing finds neighbours as well as hashing with the normal numbers it rounds. */
class IntegerHashQualityTest {
  private static final int SIZE = 64;
  private static final int ROUNDS = 8;
  private static final int BUCKETS = 32;
  private static final int COLUMNS = ROUNDS * BUCKETS / 2;
  private static final int PAIRS = 2000;

  @Test
  void roundedRotationsAgreeAndFindTheSameNeighbours() {
    byte[] integers = new byte[COLUMNS * SIZE];
    float[] normals = new float[integers.length];
    Philox.Stream stream = new Philox.Stream(5, 0, 0, RandomPurpose.ROTATIONS);
    stream.integerNormals(integers);
    stream.normals(normals);
    float[] transposed = new float[normals.length];
    for (int i = 0; i < normals.length; i++) {
      transposed[i % SIZE * COLUMNS + i / SIZE] = normals[i];
    }
    int[] rounded = hash(integers, null);
    int[] exact = hash(null, transposed);
    int alike = 0;
    for (int i = 0; i < exact.length; i++) {
      alike += rounded[i] == exact[i] ? 1 : 0;
    }
    double agreement = (double) alike / exact.length;
    double recall = recall(rounded);
    double floatRecall = recall(exact);
    System.out.printf(
        "IntegerHashQualityTest: %d hashes, %d buckets: %.2f %% in the bucket of unrounded normals;"
            + " neighbours of cosine 0.9 found in a round: %.2f %% (floats %.2f %%)%n",
        exact.length, BUCKETS, 100 * agreement, 100 * recall, 100 * floatRecall);
    assertTrue(agreement > 0.97, "" + agreement);
    // Five standard errors of a share among 16,000.
    assertEquals(floatRecall, recall, 5 * Math.sqrt(0.25 / (PAIRS * ROUNDS)));
    assertTrue(recall > 0.3, "" + recall);
  }

  /** The share of (pair, round) whose two rows have one bucket; rows 2i and 2i+1 are a pair. */
  private static double recall(int[] buckets) {
    int found = 0;
    for (int i = 0; i < buckets.length; i += 2) {
      found += buckets[i] == buckets[i + 1] ? 1 : 0;
    }
    return found / (buckets.length / 2.0);
  }

  private static int[] hash(byte[] integers, float[] floats) {
    Sequences sequences = Sequences.full(1, 2 * PAIRS);
    AttentionSpec spec = new AttentionSpec(sequences, 1, SIZE, 2 * PAIRS, 0, 0, true, Dropout.NONE);
    HashSpec hash = HashSpec.of(ROUNDS, BUCKETS);
    try (Backend backend = TestBackends.reference();
        TensorScope scope = backend.scope("test")) {
      Tensor rows = scope.allocate(DType.F32, 2 * PAIRS, SIZE);
      backend.upload(rows, pairs());
      Tensor buckets = scope.allocate(DType.I32, 1, 1, ROUNDS, 2 * PAIRS);
      Tensor rotations =
          integers == null
              ? scope.allocate(DType.F32, 1, SIZE, COLUMNS)
              : scope.allocate(DType.I8, 1, COLUMNS, SIZE);
      if (integers == null) {
        backend.upload(rotations, floats);
      } else {
        backend.upload(rotations, integers);
      }
      backend.lshBuckets(buckets, rows, rotations, null, spec, hash);
      return backend.downloadInts(buckets);
    }
  }

  /** Rows in pairs of an expected cosine of 0.9. */
  private static float[] pairs() {
    Random random = new Random(11);
    float[] rows = new float[2 * PAIRS * SIZE];
    for (int pair = 0; pair < PAIRS; pair++) {
      for (int k = 0; k < SIZE; k++) {
        double common = random.nextGaussian();
        int at = 2 * pair * SIZE + k;
        rows[at] = (float) common;
        rows[at + SIZE] = (float) (0.9 * common + Math.sqrt(1 - 0.9 * 0.9) * random.nextGaussian());
      }
    }
    return rows;
  }
}
