package org.reformer4j.cuda;

import java.util.List;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.EmbeddingSpec;
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
  public final void crossEntropy(
      Tensor loss, Tensor dLogits, Tensor logits, Tensor targets, int ignoreIndex, float scale) {
    throw later("crossEntropy");
  }

  @Override
  public final double sumOfSquares(Tensor x) {
    throw later("sumOfSquares");
  }

  @Override
  public final void adamW(
      Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWSpec spec) {
    throw later("adamW");
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
