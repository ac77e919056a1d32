package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** f(ctx) = dropout(act(dropout(n W1^T + b1)) W2^T + b2), n = LayerNorm(ctx), in chunks of rows. */
final class FeedForwardBranch implements Branch {
  /** Rows of a chunk where the config asks for none: the hidden block stays within a few MB. */
  private static final int DEFAULT_CHUNK_ROWS = 1024;

  private final ReformerConfig config;
  private final int layer;
  private final Norm norm;
  private final Parameter w1;
  private final Parameter b1;
  private final Parameter w2;
  private final Parameter b2;

  FeedForwardBranch(ReformerConfig config, int layer, String prefix, ParameterSet parameters) {
    this.config = config;
    this.layer = layer;
    Initializer normal = Initializer.normal(config.initializerRange());
    long d = config.hiddenSize();
    long f = config.feedForwardSize();
    norm = new Norm(config, prefix + "layer_norm.", d, parameters);
    w1 = parameters.declareFactor(prefix + "dense.dense.weight", normal, f, d);
    b1 = parameters.declare(prefix + "dense.dense.bias", Initializer.ZEROS, f);
    w2 = parameters.declareFactor(prefix + "output.dense.weight", normal, d, f);
    b2 = parameters.declare(prefix + "output.dense.bias", Initializer.ZEROS, d);
  }

  @Override
  public Norm norm() {
    return norm;
  }

  @Override
  public Saved forward(Tensor acc, Tensor normal, Norm next, Pass pass) {
    try (TensorScope scope = pass.backend().scope("feed-forward")) {
      boolean keeps = pass.memory().keepsFeedForward(layer);
      Tensor y = result(normal, keeps ? pass.scope() : scope, pass);
      step(acc, y, normal, next, 1, pass);
      return keeps ? Saved.addend(y) : Saved.NOTHING;
    }
  }

  @Override
  public void inverse(Tensor acc, Tensor normal, Norm next, Saved saved, Pass pass) {
    try (TensorScope scope = pass.backend().scope("feed-forward")) {
      Tensor y = saved.addend() != null ? saved.addend() : result(normal, scope, pass);
      step(acc, y, normal, next, -1, pass);
    }
  }

  private void step(Tensor acc, Tensor y, Tensor normal, Norm next, int sign, Pass pass) {
    Norm.residual(pass.backend(), next, normal, acc, y, b2.value(), sign, dropout(pass));
  }

  /** Returns the result before bias and dropout. */
  private Tensor result(Tensor normal, TensorScope scope, Pass pass) {
    Tensor y = scope.allocate(normal.type(), normal.rows(), normal.columns());
    DType type = normal.type();
    pass.backend().feedForward(y, normal, w1.value(type), b1.value(), w2.value(type), spec(pass));
    return y;
  }

  @Override
  public void decode(Tensor acc, Tensor normal, Norm next, DecodeCache cache, Pass pass) {
    // Tokens do not see each other here.
    forward(acc, normal, next, pass);
  }

  @Override
  public void backward(
      Tensor acc,
      Tensor ctx,
      Tensor normal,
      Norm next,
      Tensor dAcc,
      Tensor dCtx,
      Saved saved,
      Pass pass) {
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("feed-forward-backward")) {
      DType type = normal.type();
      Tensor dY = scope.allocate(type, ctx.rows(), ctx.columns());
      boolean kept = saved.addend() != null;
      Tensor y = kept ? saved.addend() : scope.allocate(type, ctx.rows(), ctx.columns());
      Tensor dNormal = scope.allocate(type, ctx.rows(), ctx.columns());
      backend.residualBackward(dY, b2.gradient(), dAcc, dropout(pass));
      backend.feedForwardBackward(
          kept ? null : y,
          dNormal,
          w1.gradient(),
          b1.gradient(),
          w2.gradient(),
          dY,
          normal,
          w1.value(type),
          b1.value(),
          w2.value(type),
          spec(pass));
      step(acc, y, normal, next, -1, pass);
      norm.backward(backend, dCtx, dNormal, ctx);
    }
  }

  /** Returns the rows whose hidden block exists at once. */
  static int chunkRows(ReformerConfig config) {
    int chunk = config.chunkSizeFeedForward();
    return chunk == 0 ? DEFAULT_CHUNK_ROWS : chunk;
  }

  private FeedForwardSpec spec(Pass pass) {
    return new FeedForwardSpec(
        config.hiddenAct(),
        chunkRows(config),
        pass.dropout(config.hiddenDropoutProb(), layer, RandomPurpose.FEED_FORWARD_HIDDEN));
  }

  private Dropout dropout(Pass pass) {
    return pass.dropout(config.hiddenDropoutProb(), layer, RandomPurpose.FEED_FORWARD_OUTPUT);
  }
}
