package org.reformer4j.cuda;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;

/** The operations that the CUDA backend does not have yet: each says so. */
abstract class LaterKernels implements Backend {
  private static UnsupportedOperationException later(String op) {
    return new UnsupportedOperationException(
        op
            + ": the cuda backend gets this operation with a later release; use the reference backend"
            + " (--backend reference)");
  }

  @Override
  public final void lshAttention(
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor buckets,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    throw later("lshAttention");
  }

  @Override
  public final void lshAttentionBackward(
      Tensor dQueryKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor buckets,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    throw later("lshAttentionBackward");
  }

  @Override
  public final void localAttention(
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    throw later("localAttention");
  }

  @Override
  public final void localAttentionBackward(
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    throw later("localAttentionBackward");
  }

  @Override
  public final void feedForward(
      Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec) {
    throw later("feedForward");
  }

  @Override
  public final void feedForwardBackward(
      Tensor out,
      Tensor dX,
      Tensor dW1,
      Tensor dB1,
      Tensor dW2,
      Tensor dOut,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2,
      FeedForwardSpec spec) {
    throw later("feedForwardBackward");
  }
}
