package org.reformer4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Takes from the forward pass over a prompt what its layers need to remember. */
final class PromptRecorder implements Trace {
  /**
   * What a layer remembers.
   *
   * @param rows projected rows
   * @param hashed buckets of an LSH layer, or null
   */
  record LayerCache(CachedRows rows, HashedTokens hashed) {
    /** Returns the same of some of the sequences, which go their own way. */
    LayerCache fork(int[] sequences) {
      return new LayerCache(rows.fork(sequences), hashed == null ? null : hashed.fork(sequences));
    }
  }

  private final ReformerConfig config;
  private final Backend backend;
  private final TensorScope scope;
  private final CallOptions options;
  private final int[] lengths;
  private final List<LayerCache> layers = new ArrayList<>();
  private int[] buckets;
  private HashSpec hash;

  PromptRecorder(
      ReformerConfig config,
      Backend backend,
      TensorScope scope,
      CallOptions options,
      int[] lengths) {
    this.config = config;
    this.backend = backend;
    this.scope = scope;
    this.options = options;
    this.lengths = lengths;
  }

  /** Returns what was recorded. */
  List<LayerCache> layers() {
    return List.copyOf(layers);
  }

  @Override
  public void layerInput(int layer, Tensor x1, Tensor x2) {
    options.trace().layerInput(layer, x1, x2);
  }

  @Override
  public void buckets(int layer, Tensor found, HashSpec spec) {
    options.trace().buckets(layer, found, spec);
    buckets = backend.downloadInts(found);
    hash = spec;
  }

  @Override
  public void projected(int layer, Tensor first, Tensor second, Tensor values) {
    options.trace().projected(layer, first, second, values);
    int[] kept = new int[lengths.length];
    HashedTokens hashed = null;
    if (config.attnLayers().get(layer) == AttentionKind.LSH) {
      hashed = hashed(layer);
    } else {
      // No later token sees what lies before the window; who goes back asks for it again.
      Arrays.setAll(kept, b -> LocalSelfAttention.windowStart(config, lengths[b]));
    }
    Tensor keys = second == null ? first : second;
    RowPool pool = new RowPool(backend, scope, keys.type(), keys.columns());
    CachedRows rows = CachedRows.of(pool, keys, values, kept, lengths);
    layers.add(new LayerCache(rows, hashed));
  }

  private HashedTokens hashed(int layer) {
    HashSpec spec = hash == null ? unhashed() : hash;
    Rotations drawn = Passes.rotations(config, options);
    Tensor rotations = config.lshHashing().rotations(drawn, layer, config, spec, scope, backend);
    HashedTokens tokens = HashedTokens.of(config, spec, rotations, buckets, lengths);
    buckets = null;
    return tokens;
  }

  /** A short prompt chooses no number of buckets; the text may become as long as it can. */
  private HashSpec unhashed() {
    int longest = Passes.paddedLength(config, config.maxPositions());
    return config.hash(options.numHashes().orElse(config.numHashes()), longest);
  }
}
