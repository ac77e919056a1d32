package org.reformer4j.cuda;

import java.util.List;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.EmbeddingSpec;
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
  public final void embed(
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    throw later("embed");
  }

  @Override
  public final void embedBackward(
      Tensor dTokens,
      List<Tensor> dTables,
      Tensor dOut,
      Tensor ids,
      Tensor positions,
      EmbeddingSpec spec) {
    throw later("embedBackward");
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

  @Override
  public final void adafactor(
      Tensor parameter,
      Tensor gradient,
      Tensor rowMoments,
      Tensor columnMoments,
      AdafactorSpec spec) {
    throw later("adafactor");
  }
}
