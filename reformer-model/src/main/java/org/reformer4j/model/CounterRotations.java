package org.reformer4j.model;

import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;

/**
 * Rotations from the counter-based generator. Normal numbers give every direction the same chance,
 * which the hash rests on; rounded to steps of 1/32 and cut at 127/32 they are off by 0.9 % of
 * their size at random, which moves no direction noticeably, and fit one byte.
 *
 * @param seed key of the generator
 * @param step training step or call
 */
record CounterRotations(long seed, long step) implements Rotations {
  @Override
  public float[] draw(int layer, int heads, int headSize, HashSpec hash) {
    float[] values = new float[Rotations.size(heads, headSize, hash)];
    stream(layer).normals(values);
    return values;
  }

  @Override
  public byte[] drawIntegers(int layer, int heads, int headSize, HashSpec hash) {
    byte[] values = new byte[Rotations.size(heads, headSize, hash)];
    stream(layer).integerNormals(values);
    return values;
  }

  private Philox.Stream stream(int layer) {
    return new Philox.Stream(seed, step, layer, RandomPurpose.ROTATIONS);
  }
}
