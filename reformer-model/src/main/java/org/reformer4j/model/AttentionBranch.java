package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.SelfAttention.Attended;
import org.reformer4j.model.SelfAttention.Room;

/** f(ctx) = dropout(SelfAttention(LayerNorm(ctx)) Wo^T), Hugging Face's ReformerAttention. */
final class AttentionBranch implements Branch {
  private final ReformerConfig config;
  private final int layer;
  private final Norm norm;
  private final SelfAttention attention;
  private final Parameter output;

  AttentionBranch(ReformerConfig config, int layer, String prefix, ParameterSet parameters) {
    this.config = config;
    this.layer = layer;
    this.norm = new Norm(config, prefix + "layer_norm.", config.hiddenSize(), parameters);
    String self = prefix + "self_attention.";
    this.attention =
        switch (config.attnLayers().get(layer)) {
          case LSH -> new LshSelfAttention(config, layer, self, parameters);
          case LOCAL -> new LocalSelfAttention(config, layer, self, parameters);
        };
    this.output =
        parameters.declareFactor(
            prefix + "output.dense.weight",
            Initializer.normal(config.initializerRange()),
            config.hiddenSize(),
            config.allHeadSize());
  }

  @Override
  public Norm norm() {
    return norm;
  }

  @Override
  public Saved forward(Tensor acc, Tensor normal, Norm next, Pass pass) {
    Backend backend = pass.backend();
    boolean keeps = pass.memory().keepsAttention(layer);
    boolean keepsOrder = pass.memory().keepsOrder(layer, acc);
    try (TensorScope scope = backend.scope("attention")) {
      TensorScope kept = keeps ? pass.scope() : scope;
      Room room = new Room(scope, keepsOrder ? pass.scope() : scope, kept);
      Attended attended = attention.forward(normal, null, room, pass);
      pass.trace().projected(layer, attended.first(), attended.second(), attended.values());
      Tensor y = Projection.forward(backend, kept, attended.out(), output);
      Norm.residual(backend, next, normal, acc, y, null, 1, dropout(pass));
      Tensor order = keepsOrder ? attended.order() : null;
      return keeps
          ? new Saved(order, attended.out(), attended.lse(), y)
          : new Saved(order, null, null, null);
    }
  }

  @Override
  public void inverse(Tensor acc, Tensor normal, Norm next, Saved saved, Pass pass) {
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("attention")) {
      Tensor y = saved.addend();
      if (y == null) {
        Attended attended = attention.forward(normal, saved.order(), Room.of(scope), pass);
        y = Projection.forward(backend, scope, attended.out(), output);
      }
      Norm.residual(backend, next, normal, acc, y, null, -1, dropout(pass));
    }
  }

  @Override
  public void decode(Tensor acc, Tensor normal, Norm next, DecodeCache cache, Pass pass) {
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("attention")) {
      Tensor out = attention.decode(normal, cache, scope, pass);
      Tensor y = Projection.forward(backend, scope, out, output);
      Norm.residual(backend, next, normal, acc, y, null, 1, Dropout.NONE);
    }
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
    try (TensorScope scope = backend.scope("attention-backward")) {
      Attended attended;
      Tensor y = saved.addend();
      if (y == null) {
        attended = attention.forward(normal, saved.order(), Room.of(scope), pass);
        y = Projection.forward(backend, scope, attended.out(), output);
      } else {
        attended = attention.recall(normal, saved, scope, pass);
      }
      // From here on y is the gradient of the result, then that of the normalised input.
      backend.residualInverse(acc, y, null, y, null, dAcc, dropout(pass));
      Tensor dOut = scope.allocate(y.type(), pass.rows(), config.allHeadSize());
      Projection.backward(backend, dOut, 0f, y, attended.out(), output);
      attention.backward(y, dOut, normal, attended, scope, pass);
      norm.backward(backend, dCtx, y, ctx);
      // The step had to come before the input could be given up: its norm is a pass of its own.
      if (next != null) {
        next.forward(backend, normal, acc);
      }
    }
  }

  private Dropout dropout(Pass pass) {
    return pass.dropout(config.hiddenDropoutProb(), layer, RandomPurpose.ATTENTION_OUTPUT);
  }
}
