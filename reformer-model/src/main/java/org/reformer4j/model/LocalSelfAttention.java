package org.reformer4j.model;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
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
  public Attended forward(Tensor x, Tensor order, Room room, Pass pass) {
    AttentionSpec spec = spec(pass);
    Tensor out = room.out().allocate(pass.activations(), pass.rows(), spec.width());
    Tensor lse = Projection.logSumExp(room.out(), spec);
    Attended attended = project(x, out, lse, room.projections(), pass);
    pass.backend()
        .localAttention(
            out,
            lse,
            attended.first(),
            attended.second(),
            attended.values(),
            pass.keyMask(),
            pass.headMask(),
            spec);
    return attended;
  }

  @Override
  public Attended recall(Tensor x, Branch.Saved saved, TensorScope scope, Pass pass) {
    return project(x, saved.out(), saved.lse(), scope, pass);
  }

  private Attended project(Tensor x, Tensor out, Tensor lse, TensorScope scope, Pass pass) {
    Tensor queries = Projection.forward(pass.backend(), scope, x, query);
    Tensor keys = Projection.forward(pass.backend(), scope, x, key);
    Tensor values = Projection.forward(pass.backend(), scope, x, value);
    return new Attended(out, lse, queries, keys, values, null);
  }

  @Override
  public void backward(
      Tensor dX, Tensor dOut, Tensor x, Attended attended, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    AttentionSpec spec = spec(pass);
    Tensor dQueries = scope.allocate(dOut.type(), pass.rows(), spec.width());
    Tensor dKeys = scope.allocate(dOut.type(), pass.rows(), spec.width());
    Tensor dValues = scope.allocate(dOut.type(), pass.rows(), spec.width());
    backend.localAttentionBackward(
        dQueries,
        dKeys,
        dValues,
        dOut,
        attended.out(),
        attended.lse(),
        attended.first(),
        attended.second(),
        attended.values(),
        pass.keyMask(),
        pass.headMask(),
        spec);
    Projection.backward(backend, dX, 0f, dQueries, x, query);
    Projection.backward(backend, dX, 1f, dKeys, x, key);
    Projection.backward(backend, dX, 1f, dValues, x, value);
  }

  @Override
  public Tensor decode(Tensor x, DecodeCache cache, TensorScope scope, Pass pass) {
    Attended projected = project(x, null, null, scope, pass);
    CachedRows rows = cache.layer(layer).rows();
    rows.append(projected.second(), projected.values(), cache.lengths(), cache.added());
    int window = config.localAttnChunkLength() * (1 + config.localNumChunksBefore());
    RowLists seen = new RowLists(cache, rows, config.numAttentionHeads(), 1, window);
    int row = 0;
    for (int b = 0; b < cache.batch(); b++) {
      for (int i = 0; i < cache.added(b); i++) {
        int position = cache.length(b) + i;
        seen.range(row++, b, windowStart(config, position), position + 1);
      }
    }
    return seen.attend(projected.first(), false, scope, pass);
  }

  /** Returns the first position that the token at a position sees. */
  static int windowStart(ReformerConfig config, int position) {
    int chunk = config.localAttnChunkLength();
    return Math.max(0, (position / chunk - config.localNumChunksBefore()) * chunk);
  }

  private AttentionSpec spec(Pass pass) {
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
