package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Pass.Block;

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
  public Saved forward(Tensor acc, NormalRows normal, Norm next, Pass pass) {
    boolean keeps = pass.memory().keepsFeedForward(layer);
    Tensor kept =
        keeps ? pass.scope().allocate(pass.activations(), acc.rows(), acc.columns()) : null;
    step(acc, kept, false, normal, next, 1, pass);
    return keeps ? Saved.addend(kept) : Saved.NOTHING;
  }

  @Override
  public void inverse(Tensor acc, NormalRows normal, Norm next, Saved saved, Pass pass) {
    step(acc, saved.addend(), saved.addend() != null, normal, next, -1, pass);
  }

  /** acc += sign * f, with all results in {@code y}, which has them or gets them; or nowhere. */
  private void step(
      Tensor acc, Tensor y, boolean known, NormalRows normal, Norm next, int sign, Pass pass) {
    try (TensorScope scope = pass.backend().scope("feed-forward")) {
      Tensor buffer = y == null ? pass.block(scope, acc.columns()) : null;
      for (Block block : pass.blocks()) {
        Tensor part = y == null ? buffer.rows(0, block.count()) : block.of(y);
        if (!known) {
          Tensor x = normal.of(block);
          DType type = x.type();
          pass.backend()
              .feedForward(part, x, w1.value(type), b1.value(), w2.value(type), spec(block, pass));
        }
        normal.residual(next, block.of(acc), part, b2.value(), sign, dropout(block, pass));
      }
    }
  }

  @Override
  public void decode(Tensor acc, NormalRows normal, Norm next, PastAttention past, Pass pass) {
    // Tokens do not see each other here.
    forward(acc, normal, next, pass);
  }

  @Override
  public void backward(
      Tensor acc, NormalRows normal, Norm next, Tensor dAcc, Tensor dCtx, Saved saved, Pass pass) {
    Backend backend = pass.backend();
    boolean kept = saved.addend() != null;
    try (TensorScope scope = backend.scope("feed-forward-backward")) {
      Tensor dResult = pass.block(scope, acc.columns());
      Tensor result = kept ? null : pass.block(scope, acc.columns());
      Tensor dInput = pass.block(scope, acc.columns());
      for (Block block : pass.blocks()) {
        Tensor x = normal.of(block);
        DType type = x.type();
        Tensor dY = dResult.rows(0, block.count());
        Tensor y = kept ? block.of(saved.addend()) : result.rows(0, block.count());
        Tensor dX = dInput.rows(0, block.count());
        backend.residualBackward(dY, b2.gradient(), block.of(dAcc), dropout(block, pass));
        backend.feedForwardBackward(
            kept ? null : y,
            dX,
            w1.gradient(),
            b1.gradient(),
            w2.gradient(),
            dY,
            x,
            w1.value(type),
            b1.value(),
            w2.value(type),
            spec(block, pass));
        normal.residual(next, block.of(acc), y, b2.value(), -1, dropout(block, pass));
        normal.backward(dCtx, dX, block);
      }
    }
  }

  /** Returns the rows whose hidden block exists at once. */
  static int chunkRows(ReformerConfig config) {
    int chunk = config.chunkSizeFeedForward();
    return chunk == 0 ? DEFAULT_CHUNK_ROWS : chunk;
  }

  private FeedForwardSpec spec(Block block, Pass pass) {
    return new FeedForwardSpec(
        config.hiddenAct(),
        chunkRows(config),
        dropout(RandomPurpose.FEED_FORWARD_HIDDEN, block, pass));
  }

  private Dropout dropout(Block block, Pass pass) {
    return dropout(RandomPurpose.FEED_FORWARD_OUTPUT, block, pass);
  }

  private Dropout dropout(RandomPurpose purpose, Block block, Pass pass) {
    return pass.dropout(config.hiddenDropoutProb(), layer, purpose).from(block.from());
  }
}
