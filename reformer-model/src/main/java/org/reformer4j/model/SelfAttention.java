package org.reformer4j.model;

import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Projections and attention of one layer, without norm and output projection (Hugging Face's
 * LSHSelfAttention and LocalSelfAttention).
 */
interface SelfAttention {
  /**
   * What forward computed and backward reads.
   *
   * @param out [N, H*K]
   * @param lse [B, H, T]
   * @param first [N, H*K], query-keys, or queries
   * @param second [N, H*K], keys, or null for shared QK
   * @param values [N, H*K]
   * @param order I32 [B, H, R, T], or null where nothing was sorted
   */
  record Attended(
      Tensor out, Tensor lse, Tensor first, Tensor second, Tensor values, Tensor order) {}

  /**
   * Where the results of {@link #forward} live.
   *
   * @param projections first, second and values
   * @param order a new order
   * @param out output and log-sum-exp
   */
  record Room(TensorScope projections, TensorScope order, TensorScope out) {
    static Room of(TensorScope scope) {
      return new Room(scope, scope, scope);
    }
  }

  /**
   * Attends.
   *
   * @param x [N, D], normalised input
   * @param order I32 [B, H, R, T] of the forward pass, or null to hash and sort
   * @param room holds the results
   * @param pass the pass
   */
  Attended forward(Tensor x, Tensor order, Room room, Pass pass);

  /**
   * Returns what {@link #forward} did from what was saved of it: only projects.
   *
   * @param x [N, D], normalised input
   * @param saved with order, output and log-sum-exp
   * @param scope holds the projections
   * @param pass the pass
   */
  Attended recall(Tensor x, Branch.Saved saved, TensorScope scope, Pass pass);

  /**
   * Turns the output's gradient into the input's and adds those of the projections.
   *
   * @param dX [N, D], overwritten
   * @param dOut [N, H*K]
   * @param x [N, D]
   * @param attended what forward returned
   * @param scope scratch
   * @param pass the pass
   */
  void backward(Tensor dX, Tensor dOut, Tensor x, Attended attended, TensorScope scope, Pass pass);

  /**
   * Attends with new tokens of the sequences to those before.
   *
   * @param x [N, D], normalised input of the tokens that the cache is adding
   * @param cache gets the new rows
   * @param scope holds the result
   * @param pass the pass
   * @return [N, H*K]
   */
  Tensor decode(Tensor x, DecodeCache cache, TensorScope scope, Pass pass);
}
