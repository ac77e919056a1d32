package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.SelfAttention.Attended;

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
        parameters.declare(
            prefix + "output.dense.weight",
            Initializer.normal(config.initializerRange()),
            config.hiddenSize(),
            config.allHeadSize());
  }

  @Override
  public Saved forward(Tensor acc, Tensor ctx, Pass pass) {
    return add(acc, ctx, null, 1, pass);
  }

  @Override
  public void inverse(Tensor acc, Tensor ctx, Saved saved, Pass pass) {
    add(acc, ctx, saved, -1, pass);
  }

  private Saved add(Tensor acc, Tensor ctx, Saved saved, int sign, Pass pass) {
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("attention")) {
      Tensor normal = norm.forward(backend, scope, ctx);
      Tensor order = saved == null ? null : saved.order();
      Attended attended = attention.forward(normal, order, scope, pass);
      // The projected output takes the place of the normalised input, which is no longer needed.
      backend.gemm(normal, attended.out(), false, output.value(), true, 1f, 0f);
      backend.residual(acc, normal, null, sign, dropout(pass));
      return attended.order() == null ? Saved.NOTHING : new Saved(attended.order());
    }
  }

  @Override
  public void backward(Tensor acc, Tensor ctx, Tensor dAcc, Tensor dCtx, Saved saved, Pass pass) {
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("attention-backward")) {
      Tensor normal = norm.forward(backend, scope, ctx);
      Attended attended = attention.forward(normal, saved.order(), scope, pass);
      Tensor y = Projection.forward(backend, scope, attended.out(), output);
      backend.residualInverse(acc, y, null, y, null, dAcc, dropout(pass));
      Tensor dOut = scope.allocate(DType.F32, pass.rows(), config.allHeadSize());
      Projection.backward(backend, dOut, 0f, y, attended.out(), output);
      Tensor dNormal = y;
      attention.backward(dNormal, dOut, normal, attended, scope, pass);
      norm.backward(backend, dCtx, dNormal, ctx);
    }
  }

  private Dropout dropout(Pass pass) {
    return pass.dropout(config.hiddenDropoutProb(), layer, RandomPurpose.ATTENTION_OUTPUT);
  }
}
