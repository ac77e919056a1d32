package org.reformer4j.model;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Shared-QK attention within buckets of a random-rotation hash (paper, section 2). */
final class LshSelfAttention implements SelfAttention {
  private final ReformerConfig config;
  private final int layer;
  private final Parameter queryKey;
  private final Parameter value;

  LshSelfAttention(ReformerConfig config, int layer, String prefix, ParameterSet parameters) {
    this.config = config;
    this.layer = layer;
    Initializer normal = Initializer.normal(config.initializerRange());
    long width = config.allHeadSize();
    queryKey =
        parameters.declareFactor(prefix + "query_key.weight", normal, width, config.hiddenSize());
    value = parameters.declareFactor(prefix + "value.weight", normal, width, config.hiddenSize());
  }

  @Override
  public Attended forward(Tensor x, Tensor given, Room room, Pass pass) {
    Backend backend = pass.backend();
    AttentionSpec spec = spec(pass);
    Tensor queryKeys = Projection.forward(backend, room.projections(), x, queryKey);
    Tensor values = Projection.forward(backend, room.projections(), x, value);
    Tensor order =
        given != null || spec.allShort() ? given : sort(queryKeys, room.order(), spec, pass);
    Tensor out = room.out().allocate(pass.activations(), pass.rows(), spec.width());
    Tensor lse = Projection.logSumExp(room.out(), spec);
    backend.lshAttention(
        out, lse, queryKeys, values, order, pass.keyMask(), pass.headMask(), spec, pass.hash());
    return new Attended(out, lse, queryKeys, null, values, order);
  }

  @Override
  public Attended recall(Tensor x, Branch.Saved saved, TensorScope scope, Pass pass) {
    Tensor queryKeys = Projection.forward(pass.backend(), scope, x, queryKey);
    Tensor values = Projection.forward(pass.backend(), scope, x, value);
    return new Attended(saved.out(), saved.lse(), queryKeys, null, values, saved.order());
  }

  /** Hashes and returns the positions by bucket. */
  private Tensor sort(Tensor queryKeys, TensorScope scope, AttentionSpec spec, Pass pass) {
    Backend backend = pass.backend();
    HashSpec hash = pass.hash();
    Sequences sequences = spec.sequences();
    long[] shape = {sequences.batch(), spec.heads(), hash.rounds(), sequences.stride()};
    Tensor order = scope.allocate(DType.I32, shape);
    try (TensorScope scratch = backend.scope("hash")) {
      Tensor rotations =
          scratch.allocate(
              DType.F32, spec.heads(), spec.headSize(), hash.rounds() * hash.rotationColumns());
      backend.upload(rotations, pass.rotations().draw(layer, spec.heads(), spec.headSize(), hash));
      Tensor buckets = scratch.allocate(DType.I32, shape);
      backend.lshBuckets(buckets, queryKeys, rotations, pass.keyMask(), spec, hash);
      pass.trace().buckets(layer, buckets, hash);
      backend.lshSort(order, buckets, sequences, hash);
    }
    return order;
  }

  @Override
  public void backward(
      Tensor dX, Tensor dOut, Tensor x, Attended attended, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    AttentionSpec spec = spec(pass);
    Tensor dQueryKeys = scope.allocate(dOut.type(), pass.rows(), spec.width());
    Tensor dValues = scope.allocate(dOut.type(), pass.rows(), spec.width());
    backend.lshAttentionBackward(
        dQueryKeys,
        dValues,
        dOut,
        attended.out(),
        attended.lse(),
        attended.first(),
        attended.values(),
        attended.order(),
        pass.keyMask(),
        pass.headMask(),
        spec,
        pass.hash());
    Projection.backward(backend, dX, 0f, dQueryKeys, x, queryKey);
    Projection.backward(backend, dX, 1f, dValues, x, value);
  }

  @Override
  public Tensor decode(Tensor x, DecodeCache cache, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    Tensor queryKeys = Projection.forward(backend, scope, x, queryKey);
    Tensor values = Projection.forward(backend, scope, x, value);
    CachedRows rows = cache.layer(layer).rows();
    HashedTokens hashed = cache.layer(layer).hashed();
    rows.append(queryKeys, values, cache.lengths(), cache.added());
    RowLists seen =
        new RowLists(cache, rows, config.numAttentionHeads(), hashed.rounds(), hashed.window());
    hashed.add(queryKeys, cache, rows, seen, backend);
    return seen.attend(queryKeys, true, scope, pass);
  }

  private AttentionSpec spec(Pass pass) {
    return new AttentionSpec(
        pass.sequences(),
        config.numAttentionHeads(),
        config.attentionHeadSize(),
        config.lshAttnChunkLength(),
        config.lshNumChunksBefore(),
        config.lshNumChunksAfter(),
        config.isDecoder(),
        pass.dropout(
            config.lshAttentionProbsDropoutProb(), layer, RandomPurpose.ATTENTION_PROBABILITIES));
  }
}
