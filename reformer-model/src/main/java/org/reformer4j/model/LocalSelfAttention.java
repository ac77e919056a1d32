package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Attention within chunks of neighbouring positions, separate queries and keys. */
final class LocalSelfAttention implements SelfAttention {
  private final ReformerConfig config;
  private final int layer;
  private final Parameter query;
  private final Parameter key;
  private final Parameter value;

  LocalSelfAttention(ReformerConfig config, int layer, String prefix, ParameterSet parameters) {
    this.config = config;
    this.layer = layer;
    Initializer normal = Initializer.normal(config.initializerRange());
    long width = config.allHeadSize();
    query = parameters.declareFactor(prefix + "query.weight", normal, width, config.hiddenSize());
    key = parameters.declareFactor(prefix + "key.weight", normal, width, config.hiddenSize());
    value = parameters.declareFactor(prefix + "value.weight", normal, width, config.hiddenSize());
  }

  @Override
  public List<Parameter> projections() {
    return List.of(query, key, value);
  }

  @Override
  public float scale() {
    return 1f;
  }

  @Override
  public boolean sorts(Pass pass) {
    return false;
  }

  @Override
  public Tensor order(Projected projected, TensorScope scope, Pass pass) {
    throw new IllegalStateException("local attention keeps the order of the tokens");
  }

  @Override
  public void attend(Attended to, Projected projected, Tensor order, Heads heads, Pass pass) {
    pass.backend()
        .localAttention(
            to.out(),
            to.lse(),
            projected.first(),
            projected.second(),
            projected.values(),
            pass.keyMask(),
            heads.mask(pass.headMask()),
            heads.of(spec(pass), 1));
  }

  @Override
  public Projected backward(
      Tensor dOut,
      Attended attended,
      Projected projected,
      Tensor order,
      Heads heads,
      TensorScope scope,
      Pass pass) {
    Tensor dQueries = scope.allocate(dOut.type(), dOut.rows(), dOut.columns());
    Tensor dKeys = scope.allocate(dOut.type(), dOut.rows(), dOut.columns());
    Tensor dValues = scope.allocate(dOut.type(), dOut.rows(), dOut.columns());
    pass.backend()
        .localAttentionBackward(
            dQueries,
            dKeys,
            dValues,
            dOut,
            attended.out(),
            attended.lse(),
            projected.first(),
            projected.second(),
            projected.values(),
            pass.keyMask(),
            heads.mask(pass.headMask()),
            heads.of(spec(pass), 1));
    return new Projected(dQueries, dKeys, dValues);
  }

  /** Returns the most positions that a token without look-ahead sees. */
  static int window(ReformerConfig config) {
    return config.localAttnChunkLength() * (1 + config.localNumChunksBefore());
  }

  /** Returns the first position that the token at a position sees. */
  static int windowStart(ReformerConfig config, int position) {
    int chunk = config.localAttnChunkLength();
    return Math.max(0, (position / chunk - config.localNumChunksBefore()) * chunk);
  }

  @Override
  public AttentionSpec spec(Pass pass) {
    return new AttentionSpec(
        pass.sequences(),
        config.numAttentionHeads(),
        config.attentionHeadSize(),
        config.localAttnChunkLength(),
        config.localNumChunksBefore(),
        config.localNumChunksAfter(),
        config.isDecoder(),
        pass.dropout(
            config.localAttentionProbsDropoutProb(), layer, RandomPurpose.ATTENTION_PROBABILITIES));
  }
}
