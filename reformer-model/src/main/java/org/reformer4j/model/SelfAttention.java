package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Attention of one layer between its projections, without norm and output projection (Hugging
 * Face's LSHSelfAttention and LocalSelfAttention). W stands for the columns of the heads concerned.
 */
interface SelfAttention {
  /**
   * Projected rows, or their gradients.
   *
   * @param first [N, W], query-keys, or queries
   * @param second [N, W], keys, or null for shared QK
   * @param values [N, W]
   */
  record Projected(Tensor first, Tensor second, Tensor values) {
    /** Takes results of {@link SelfAttention#projections}, in their order. */
    static Projected of(List<Tensor> results) {
      return results.size() == 2
          ? new Projected(results.get(0), null, results.get(1))
          : new Projected(results.get(0), results.get(1), results.get(2));
    }

    /** Returns keys, or query-keys: what later tokens attend to. */
    Tensor keys() {
      return second == null ? first : second;
    }

    /** Returns them in the order of {@link SelfAttention#projections}. */
    List<Tensor> all() {
      return second == null ? List.of(first, values) : List.of(first, second, values);
    }
  }

  /**
   * What attention computed.
   *
   * @param out [N, W]
   * @param lse [B, H, T], log-sum-exp
   */
  record Attended(Tensor out, Tensor lse) {
    /** Returns the part of some heads. */
    Attended of(Heads heads) {
      return new Attended(heads.columns(out), heads.of(lse));
    }
  }

  /** Returns the weights [H*K, D] of the projections: query-key and value, or query, key, value. */
  List<Parameter> projections();

  /** Returns a factor on the results of the first projection. */
  float scale();

  /** Returns what is attended to which way, for all heads. */
  AttentionSpec spec(Pass pass);

  /** Returns whether tokens are attended to in an order of their own. */
  boolean sorts(Pass pass);

  /**
   * Hashes and sorts, where {@link #sorts}.
   *
   * @param projected of all heads
   * @param scope holds the order
   * @param pass the pass
   * @return I32 [B, H, R, T]
   */
  Tensor order(Projected projected, TensorScope scope, Pass pass);

  /**
   * Attends.
   *
   * @param to receives the result
   * @param projected of the heads
   * @param order what {@link #order} returned, of all heads, or null where nothing is sorted
   * @param heads which
   * @param pass the pass
   */
  void attend(Attended to, Projected projected, Tensor order, Heads heads, Pass pass);

  /**
   * Returns the gradients of the projections.
   *
   * @param dOut [N, W]
   * @param attended what {@link #attend} computed
   * @param projected of the heads
   * @param order of all heads
   * @param heads which
   * @param scope holds the result
   * @param pass the pass
   */
  Projected backward(
      Tensor dOut,
      Attended attended,
      Projected projected,
      Tensor order,
      Heads heads,
      TensorScope scope,
      Pass pass);
}
