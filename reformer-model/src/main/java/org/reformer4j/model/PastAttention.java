package org.reformer4j.model;

import org.reformer4j.api.Tensor;
import org.reformer4j.model.SelfAttention.Projected;

/** How new tokens of a cache attend to those before, layer by layer. */
interface PastAttention {
  /**
   * Remembers the projected rows of the new tokens and attends with them.
   *
   * @param out [N, H*K], receives the result
   * @param layer index of the layer
   * @param projected of all heads, N rows: those of the first sequence, of the second, ...
   * @param pass the pass
   */
  void attend(Tensor out, int layer, Projected projected, Pass pass);
}
