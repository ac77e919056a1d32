package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.RunLayout;
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
  public List<Parameter> projections() {
    return List.of(queryKey, value);
  }

  /** As keys are normalised, and hashes of one direction are the same, only queries feel it. */
  @Override
  public float scale() {
    return config.dialect().scale(config.attentionHeadSize());
  }

  @Override
  public boolean sorts(Pass pass) {
    // Causal selection goes by buckets in short sequences, too: these may grow.
    return pass.hash().selection() == LshSelection.CAUSAL || !spec(pass).allShort();
  }

  @Override
  public Tensor order(Projected projected, TensorScope scope, Pass pass) {
    AttentionSpec spec = spec(pass);
    Backend backend = pass.backend();
    HashSpec hash = pass.hash();
    Sequences sequences = spec.sequences();
    long[] shape = {sequences.batch(), spec.heads(), hash.rounds(), sequences.stride()};
    boolean inRuns = hash.usesRuns();
    int entries = inRuns ? RunLayout.of(spec, hash).entries() : sequences.stride();
    Tensor result = scope.allocate(DType.I32, shape[0], shape[1], shape[2], entries);
    try (TensorScope scratch = backend.scope("hash")) {
      Tensor order = inRuns ? scratch.allocate(DType.I32, shape) : result;
      Tensor rotations =
          config.lshHashing().rotations(pass.rotations(), layer, config, hash, scratch, backend);
      Tensor buckets = scratch.allocate(DType.I32, shape);
      backend.lshBuckets(buckets, projected.first(), rotations, pass.keyMask(), spec, hash);
      pass.trace().buckets(layer, buckets, hash);
      backend.lshSort(order, buckets, sequences, hash);
      if (inRuns) {
        backend.lshRuns(result, order, buckets, spec, hash);
      }
    }
    return result;
  }

  @Override
  public void attend(Attended to, Projected projected, Tensor order, Heads heads, Pass pass) {
    pass.backend()
        .lshAttention(
            to.out(),
            to.lse(),
            projected.first(),
            projected.values(),
            heads.of(order),
            pass.keyMask(),
            heads.mask(pass.headMask()),
            heads.of(spec(pass), pass.hash().rounds()),
            pass.hash());
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
    Tensor dQueryKeys = scope.allocate(dOut.type(), dOut.rows(), dOut.columns());
    Tensor dValues = scope.allocate(dOut.type(), dOut.rows(), dOut.columns());
    pass.backend()
        .lshAttentionBackward(
            dQueryKeys,
            dValues,
            dOut,
            attended.out(),
            attended.lse(),
            projected.first(),
            projected.values(),
            heads.of(order),
            pass.keyMask(),
            heads.mask(pass.headMask()),
            heads.of(spec(pass), pass.hash().rounds()),
            pass.hash());
    return new Projected(dQueryKeys, null, dValues);
  }

  @Override
  public AttentionSpec spec(Pass pass) {
    return new AttentionSpec(
        pass.hash().places(pass.sequences(), config.lshAttnChunkLength()),
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
