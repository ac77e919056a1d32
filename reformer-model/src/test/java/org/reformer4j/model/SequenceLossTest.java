package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Values by hand, and logits so large that the plain formulas overflow. */
class SequenceLossTest {
  @Test
  void crossEntropyIsTheMeanOverThoseThatCount() {
    float[] logits = {0, 0, (float) Math.log(3), 0, 5, 5};
    float[] gradient = new float[6];
    double loss = SequenceLoss.crossEntropy(gradient, logits, new int[] {0, 1, Batch.IGNORE}, 2);
    assertEquals((Math.log(2) + Math.log(4)) / 2, loss, 1e-7);
    assertArrayEquals(new float[] {-0.5f, 0.5f, 0.75f, -0.75f, 0, 0}, gradient, 1e-6f);
    assertEquals(0, SequenceLoss.crossEntropy(null, new float[] {900, -900}, new int[] {0}, 1));
    float[] steep = new float[2];
    assertEquals(1800, SequenceLoss.crossEntropy(steep, new float[] {900, -900}, ones(1), 1));
    assertArrayEquals(new float[] {1, -1}, steep);
  }

  private static int[] ones(int n) {
    int[] ones = new int[n];
    java.util.Arrays.fill(ones, 1);
    return ones;
  }

  @Test
  void squaredErrorIsTheMeanOverAllElements() {
    float[] gradient = new float[4];
    float[] logits = {1, 2, 3, 4};
    assertEquals(3, SequenceLoss.squaredError(gradient, logits, new float[] {1, 0, 1, 6}, 4));
    assertArrayEquals(new float[] {0, 4, 4, -4}, gradient);
  }

  @Test
  void binaryCrossEntropyIsTheMeanOverAllElements() {
    float[] gradient = new float[2];
    float[] logits = {0, (float) Math.log(3)};
    double loss = SequenceLoss.binaryCrossEntropy(gradient, logits, new float[] {1, 0}, 2);
    assertEquals((Math.log(2) + Math.log(4)) / 2, loss, 1e-7);
    assertArrayEquals(new float[] {-0.5f, 0.75f}, gradient, 1e-6f);
    float[] steep = new float[2];
    float[] large = {800, -800};
    assertEquals(800, SequenceLoss.binaryCrossEntropy(steep, large, new float[] {0, 1}, 2));
    assertArrayEquals(new float[] {1, -1}, steep);
    assertEquals(0, SequenceLoss.binaryCrossEntropy(steep, large, new float[] {1, 0}, 2));
    assertArrayEquals(new float[] {0, 0}, steep);
  }
}
