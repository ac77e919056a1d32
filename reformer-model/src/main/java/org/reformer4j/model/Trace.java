package org.reformer4j.model;

import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;

/**
 * Watches a pass: hidden states, buckets, recomputed streams. Tensors are valid only during the
 * call; whoever needs the numbers downloads them there.
 */
public interface Trace {
  /** Watches nothing. */
  Trace NONE = new Trace() {};

  /**
   * Called with the streams as they enter layer {@code layer}, and once more after the last layer
   * with {@code layer} equal to their number.
   *
   * @param layer index of the layer
   * @param x1 [N, D], the attention stream
   * @param x2 [N, D], the hidden-state stream
   */
  default void layerInput(int layer, Tensor x1, Tensor x2) {}

  /**
   * Called with the buckets of an LSH layer when it hashes.
   *
   * @param layer index of the layer
   * @param buckets I32 [B, H, R, T], without round offsets
   * @param hash rounds and buckets
   */
  default void buckets(int layer, Tensor buckets, HashSpec hash) {}

  /**
   * Called in the forward pass with the projected rows of a layer's attention, after {@link
   * #buckets}.
   *
   * @param layer index of the layer
   * @param first [N, H*K], query-keys of an LSH layer, queries of a local one
   * @param second [N, H*K], keys of a local layer, or null
   * @param values [N, H*K]
   */
  default void projected(int layer, Tensor first, Tensor second, Tensor values) {}

  /**
   * Called in the backward pass when the inputs of a layer have been rebuilt.
   *
   * @param layer index of the layer
   * @param x1 [N, D], rebuilt input
   * @param x2 [N, D], rebuilt input
   * @param dX1 [N, D], gradient of x1
   * @param dX2 [N, D], gradient of x2
   */
  default void rebuilt(int layer, Tensor x1, Tensor x2, Tensor dX1, Tensor dX2) {}
}
