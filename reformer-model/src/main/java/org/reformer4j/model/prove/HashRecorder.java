package org.reformer4j.model.prove;

import java.util.Map;
import java.util.TreeMap;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.Rotations;
import org.reformer4j.model.Trace;

/** Keeps what the LSH layers of a pass over one sequence hashed, to hash it elsewhere. */
final class HashRecorder implements Trace {
  private final Backend backend;
  private final Map<Integer, int[]> buckets = new TreeMap<>();
  private final Map<Integer, float[]> rows = new TreeMap<>();
  private HashSpec hash;

  HashRecorder(Backend backend) {
    this.backend = backend;
  }

  @Override
  public void buckets(int layer, Tensor found, HashSpec spec) {
    buckets.put(layer, backend.downloadInts(found));
    hash = spec;
  }

  @Override
  public void projected(int layer, Tensor first, Tensor second, Tensor values) {
    if (buckets.containsKey(layer)) {
      rows.put(layer, backend.download(first));
    }
  }

  /** Returns whether no layer hashed. */
  boolean isEmpty() {
    return buckets.isEmpty();
  }

  /**
   * Hashes the same query-keys on another backend.
   *
   * @param rotations those of the pass
   * @return the share of (layer, head, round, token) in another bucket than there
   */
  double moved(Backend other, ReformerConfig config, Rotations rotations) {
    long moved = 0;
    long all = 0;
    for (Map.Entry<Integer, int[]> entry : buckets.entrySet()) {
      int[] expected = entry.getValue();
      int[] found = hash(other, config, rotations, entry.getKey());
      for (int i = 0; i < expected.length; i++) {
        moved += expected[i] == found[i] ? 0 : 1;
      }
      all += expected.length;
    }
    return (double) moved / all;
  }

  private int[] hash(Backend other, ReformerConfig config, Rotations rotations, int layer) {
    float[] values = rows.get(layer);
    int heads = config.numAttentionHeads();
    int length = values.length / config.allHeadSize();
    AttentionSpec spec =
        AttentionSpec.ofHashing(Sequences.full(1, length), heads, config.attentionHeadSize());
    try (TensorScope scope = other.scope("hash")) {
      Tensor queryKeys = scope.allocate(DType.F32, length, config.allHeadSize());
      other.upload(queryKeys, values);
      Tensor found = scope.allocate(DType.I32, 1, heads, hash.rounds(), length);
      Tensor drawn = config.lshHashing().rotations(rotations, layer, config, hash, scope, other);
      other.lshBuckets(found, queryKeys, drawn, null, spec, hash);
      return other.downloadInts(found);
    }
  }
}
