package org.reformer4j.model;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Pass.Block;
import org.reformer4j.model.SelfAttention.Attended;
import org.reformer4j.model.SelfAttention.Projected;

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
  public Saved forward(Tensor acc, NormalRows normal, Norm next, Pass pass) {
    boolean keeps = pass.memory().keepsAttention(layer);
    boolean keepsOrder = pass.memory().keepsOrder(layer, acc);
    try (TensorScope scope = pass.backend().scope("attention")) {
      TensorScope kept = keeps ? pass.scope() : scope;
      Heads heads = Heads.all(config);
      Projected projected = project(normal, heads, scope, pass);
      Tensor order =
          attention.sorts(pass)
              ? attention.order(projected, keepsOrder ? pass.scope() : scope, pass)
              : null;
      pass.trace().projected(layer, projected.first(), projected.second(), projected.values());
      Attended attended = room(kept, pass);
      attention.attend(attended, projected, order, heads, pass);
      Tensor y = keeps ? kept.allocate(normal.type(), acc.rows(), acc.columns()) : null;
      step(acc, y, attended.out(), normal, next, 1, scope, pass);
      Tensor keptOrder = keepsOrder ? order : null;
      return keeps
          ? new Saved(keptOrder, attended.out(), attended.lse(), y)
          : new Saved(keptOrder, null, null, null);
    }
  }

  @Override
  public void inverse(Tensor acc, NormalRows normal, Norm next, Saved saved, Pass pass) {
    try (TensorScope scope = pass.backend().scope("attention")) {
      Tensor y = saved.addend();
      Tensor out = null;
      if (y == null) {
        Projected projected = project(normal, Heads.all(config), scope, pass);
        Tensor order = order(projected, saved, scope, pass);
        out = attend(List.of(Heads.all(config)), projected, order, normal, scope, pass).out();
      }
      step(acc, y, out, normal, next, -1, scope, pass);
    }
  }

  /**
   * acc += sign * dropout(out Wo^T).
   *
   * @param y [N, D], gets out Wo^T, or has it where out is null; null to keep it nowhere
   */
  private void step(
      Tensor acc,
      Tensor y,
      Tensor out,
      NormalRows normal,
      Norm next,
      int sign,
      TensorScope scope,
      Pass pass) {
    Tensor buffer = y == null ? pass.block(scope, acc.columns()) : null;
    for (Block block : pass.blocks()) {
      Tensor part = y == null ? buffer.rows(0, block.count()) : block.of(y);
      if (out != null) {
        multiply(part, block.of(out), pass);
      }
      normal.residual(next, block.of(acc), part, null, sign, dropout(block, pass));
    }
  }

  @Override
  public void decode(Tensor acc, NormalRows normal, Norm next, PastAttention past, Pass pass) {
    try (TensorScope scope = pass.backend().scope("attention")) {
      Projected projected = project(normal, Heads.all(config), scope, pass);
      Tensor out = scope.allocate(normal.type(), acc.rows(), config.allHeadSize());
      past.attend(out, layer, projected, pass);
      Tensor y = Projection.forward(pass.backend(), scope, out, output);
      normal.residual(next, acc, y, null, 1, Dropout.NONE);
    }
  }

  @Override
  public void backward(
      Tensor acc, NormalRows normal, Norm next, Tensor dAcc, Tensor dCtx, Saved saved, Pass pass) {
    Backend backend = pass.backend();
    boolean known = saved.addend() != null;
    boolean hashes = saved.order() == null && attention.sorts(pass);
    List<Heads> groups = hashes ? List.of(Heads.all(config)) : Heads.groups(config, layer, pass);
    boolean once = groups.size() == 1;
    try (TensorScope scope = backend.scope("attention-backward")) {
      // A single group is projected once, for the recomputation and for the gradients.
      Projected all = once ? project(normal, groups.get(0), scope, pass) : null;
      Tensor order = order(all, saved, scope, pass);
      Attended attended =
          known
              ? new Attended(saved.out(), saved.lse())
              : attend(groups, all, order, normal, scope, pass);
      Tensor rows = known && pass.whole() ? saved.addend() : pass.block(scope, acc.columns());
      Tensor dOut = once ? scope.allocate(normal.type(), pass.rows(), config.allHeadSize()) : null;
      for (Block block : pass.blocks()) {
        Tensor y = known ? block.of(saved.addend()) : rows.rows(0, block.count());
        if (!known) {
          multiply(y, block.of(attended.out()), pass);
        }
        // From here on y is the gradient of the result.
        backend.residualInverse(
            block.of(acc), y, null, y, null, block.of(dAcc), dropout(block, pass));
        backend.gemm(output.gradient(), y, true, block.of(attended.out()), false, 1f, 1f);
        if (once) {
          backend.gemm(block.of(dOut), y, false, output.value(y.type()), false, 1f, 0f);
        }
      }
      for (Heads heads : groups) {
        try (TensorScope group = backend.scope("heads")) {
          Projected projected = once ? all : project(normal, heads, group, pass);
          Tensor dHeads = once ? dOut : gradient(dAcc, heads, rows, group, pass);
          Projected gradients =
              attention.backward(dHeads, attended.of(heads), projected, order, heads, group, pass);
          unproject(gradients.all(), normal, heads, dCtx, rows, pass);
        }
      }
      // The step had to come before the input could be given up: its norm is a pass of its own.
      normal.leave(next, acc);
    }
  }

  /**
   * Returns the order of the forward pass, or makes it again, of all heads, where it was not kept.
   */
  private Tensor order(Projected projected, Saved saved, TensorScope scope, Pass pass) {
    return saved.order() == null && attention.sorts(pass)
        ? attention.order(projected, scope, pass)
        : saved.order();
  }

  /** Returns what all heads attend to, group by group; {@code all} may be null where several. */
  private Attended attend(
      List<Heads> groups,
      Projected all,
      Tensor order,
      NormalRows normal,
      TensorScope scope,
      Pass pass) {
    Attended attended = room(scope, pass);
    for (Heads heads : groups) {
      try (TensorScope group = pass.backend().scope("heads")) {
        Projected projected = all != null ? all : project(normal, heads, group, pass);
        attention.attend(attended.of(heads), projected, order, heads, pass);
      }
    }
    return attended;
  }

  private Attended room(TensorScope scope, Pass pass) {
    AttentionSpec spec = attention.spec(pass);
    Tensor out = scope.allocate(pass.activations(), pass.rows(), spec.width());
    return new Attended(out, Projection.logSumExp(scope, spec));
  }

  /** Returns the projected rows of some heads. */
  private Projected project(NormalRows normal, Heads heads, TensorScope scope, Pass pass) {
    List<Parameter> weights = attention.projections();
    List<Tensor> results = new ArrayList<>();
    for (int i = 0; i < weights.size(); i++) {
      long width = (long) heads.count() * config.attentionHeadSize();
      results.add(scope.allocate(normal.type(), pass.rows(), width));
    }
    for (Block block : pass.blocks()) {
      Tensor x = normal.of(block);
      for (int i = 0; i < weights.size(); i++) {
        Tensor weight = heads.rows(weights.get(i).value(x.type()));
        float scale = i == 0 ? attention.scale() : 1f;
        pass.backend().gemm(block.of(results.get(i)), x, false, weight, true, scale, 0f);
      }
    }
    return Projected.of(results);
  }

  /** dCtx and the weights' gradients += those through the projections of some heads. */
  private void unproject(
      List<Tensor> gradients, NormalRows normal, Heads heads, Tensor dCtx, Tensor rows, Pass pass) {
    List<Parameter> weights = attention.projections();
    for (Block block : pass.blocks()) {
      Tensor x = normal.of(block);
      Tensor dX = rows.rows(0, block.count());
      for (int i = 0; i < weights.size(); i++) {
        Tensor weight = heads.rows(weights.get(i).value(x.type()));
        Tensor dWeight = heads.rows(weights.get(i).gradient());
        Tensor dY = block.of(gradients.get(i));
        float scale = i == 0 ? attention.scale() : 1f;
        pass.backend().gemm(dWeight, dY, true, x, false, scale, 1f);
        pass.backend().gemm(dX, dY, false, weight, false, scale, i == 0 ? 0f : 1f);
      }
      normal.backward(dCtx, dX, block);
    }
  }

  /** Returns the gradient [N, W] of the output of some heads. */
  private Tensor gradient(Tensor dAcc, Heads heads, Tensor rows, TensorScope scope, Pass pass) {
    Tensor weight = heads.columns(output.value(rows.type()));
    Tensor dOut = scope.allocate(rows.type(), pass.rows(), weight.columns());
    for (Block block : pass.blocks()) {
      Tensor dY = rows.rows(0, block.count());
      pass.backend().residualBackward(dY, null, block.of(dAcc), dropout(block, pass));
      pass.backend().gemm(block.of(dOut), dY, false, weight, false, 1f, 0f);
    }
    return dOut;
  }

  /** y = out Wo^T. */
  private void multiply(Tensor y, Tensor out, Pass pass) {
    pass.backend().gemm(y, out, false, output.value(out.type()), true, 1f, 0f);
  }

  private Dropout dropout(Block block, Pass pass) {
    return pass.dropout(config.hiddenDropoutProb(), layer, RandomPurpose.ATTENTION_OUTPUT)
        .from(block.from());
  }
}
