package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** In what numbers LSH layers hash: {@code lsh_hashing} in the config. */
public enum LshHashing {
  /**
   * Floats, as in Hugging Face. A sum in another order rounds otherwise, so now and then a token
   * falls into another bucket on another backend.
   */
  FLOAT,
  /**
   * Integers, {@link org.reformer4j.api.Kernels#lshBuckets}: the same query-keys fall into the same
   * buckets on every backend. Heads have at most {@value #MAX_HEAD_SIZE} columns.
   */
  INTEGER;

  /** Most columns of a head that integers are hashed from: sums of more might not fit 32 bits. */
  static final int MAX_HEAD_SIZE = 128;

  /**
   * Draws the rotations of a layer.
   *
   * @param drawn who draws
   * @param layer index of the layer
   * @param config heads and their size
   * @param hash rounds and columns
   * @param scope holds the result
   * @param backend where they will be used
   * @return as {@link org.reformer4j.api.Kernels#lshBuckets} takes them
   * @throws IllegalArgumentException if these rotations have no numbers of this kind
   */
  public Tensor rotations(
      Rotations drawn,
      int layer,
      ReformerConfig config,
      HashSpec hash,
      TensorScope scope,
      Backend backend) {
    int heads = config.numAttentionHeads();
    int size = config.attentionHeadSize();
    long columns = (long) hash.rounds() * hash.rotationColumns();
    if (this == INTEGER) {
      Tensor integers = scope.allocate(DType.I8, heads, columns, size);
      backend.upload(integers, drawn.drawIntegers(layer, heads, size, hash));
      return integers;
    }
    Tensor floats = scope.allocate(DType.F32, heads, size, columns);
    backend.upload(floats, drawn.draw(layer, heads, size, hash));
    return floats;
  }

  /** Returns the name used in {@code config.json}. */
  public String configName() {
    return Dialect.configName(this);
  }

  /**
   * Returns the hashing of that name.
   *
   * @param name value of {@code lsh_hashing}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static LshHashing fromConfigName(String name) {
    return Dialect.fromConfigName(LshHashing.class, name);
  }
}
