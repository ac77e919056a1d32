package org.reformer4j.model;

import java.util.Map;
import org.reformer4j.api.HashSpec;
import org.reformer4j.model.random.TorchGenerator;

/** Who draws the random rotations of LSH layers. */
@FunctionalInterface
public interface Rotations {
  /**
   * Draws the rotations of a layer.
   *
   * @param layer index of the layer
   * @param heads H
   * @param headSize K
   * @param hash rounds R and columns per round
   * @return [H, K, R, columns], row-major, normal numbers
   */
  float[] draw(int layer, int heads, int headSize, HashSpec hash);

  /**
   * Draws the rotations of a layer for integer hashing.
   *
   * @param layer index of the layer
   * @param heads H
   * @param headSize K
   * @param hash rounds R and columns per round
   * @return [H, R * columns, K], row-major, rounded normal numbers
   * @throws IllegalArgumentException if these rotations are floats, as torch's and given ones are
   */
  default byte[] drawIntegers(int layer, int heads, int headSize, HashSpec hash) {
    throw new IllegalArgumentException(
        "the model hashes integers (lsh_hashing integer), and these rotations are floats: let the"
            + " counter-based generator draw them, or set lsh_hashing to float");
  }

  /**
   * Rotations from the counter-based generator, floats or integers: other ones in every layer and
   * step, the same in every run.
   *
   * @param seed key of the generator
   * @param step training step; inference takes 0, so that it is repeatable
   */
  static Rotations counterBased(long seed, long step) {
    return new CounterRotations(seed, step);
  }

  /**
   * Rotations as torch's CPU generator draws them when Hugging Face's {@code hash_seed} is set: the
   * generator is seeded anew in every layer, so all layers of one shape share them.
   *
   * @param hashSeed the seed
   */
  static Rotations torch(long hashSeed) {
    return (layer, heads, headSize, hash) ->
        new TorchGenerator(hashSeed).normals(size(heads, headSize, hash));
  }

  /**
   * Given rotations.
   *
   * @param byLayer layer index to [H, K, R, columns]
   */
  static Rotations given(Map<Integer, float[]> byLayer) {
    return (layer, heads, headSize, hash) -> {
      float[] values = byLayer.get(layer);
      int expected = size(heads, headSize, hash);
      if (values == null || values.length != expected) {
        throw new IllegalArgumentException(
            "rotations."
                + layer
                + " must have shape [H, K, R, columns] = ["
                + heads
                + ", "
                + headSize
                + ", "
                + hash.rounds()
                + ", "
                + hash.rotationColumns()
                + "], got "
                + (values == null ? "none" : values.length + " elements"));
      }
      return values;
    };
  }

  /** Returns H*K*R*columns. */
  static int size(int heads, int headSize, HashSpec hash) {
    return Math.multiplyExact(
        Math.multiplyExact(heads, headSize), hash.rounds() * hash.rotationColumns());
  }
}
