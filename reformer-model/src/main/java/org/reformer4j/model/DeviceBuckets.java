package org.reformer4j.model;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The buckets of an LSH layer's tokens as tables on the device, where a step goes on with them
 * without the host: {@code lshDecodeLists}. What is entered there is not yet in {@link
 * HashedTokens}.
 */
final class DeviceBuckets {
  private final ReformerConfig config;
  private final HashedTokens hashed;
  private final HashSpec hash;
  private final int batch;
  private final int capacity;
  private final int segments;

  /** Cached row of each position, -1 where masked: I32 [B, C]. */
  private final Tensor places;

  /** Bucket of each position: I32 [B, H, R, C]. */
  private final Tensor buckets;

  /** Earlier positions of the same bucket: I32 [B, H, R, C]. */
  private final Tensor ranks;

  /** Positions by bucket, that of masked ones included: I32 [B, H, R, buckets + 1]. */
  private final Tensor counts;

  /**
   * Allocates tables.
   *
   * @param capacity C, the most tokens that a sequence will have
   */
  DeviceBuckets(
      ReformerConfig config, HashedTokens hashed, int batch, int capacity, TensorScope scope) {
    this.config = config;
    this.hashed = hashed;
    this.hash = hashed.spec();
    this.batch = batch;
    this.capacity = capacity;
    int heads = config.numAttentionHeads();
    this.segments = heads * hash.rounds();
    places = scope.allocate(DType.I32, batch, capacity);
    buckets = scope.allocate(DType.I32, batch, heads, hash.rounds(), capacity);
    ranks = scope.allocate(DType.I32, batch, heads, hash.rounds(), capacity);
    counts = scope.allocate(DType.I32, batch, heads, hash.rounds(), hash.buckets() + 1);
  }

  /** Enters the tokens that there are. */
  void enter(CachedTexts texts, CachedRows rows, Backend backend) {
    int kinds = hash.buckets() + 1;
    for (int b = 0; b < batch; b++) {
      int length = texts.length(b);
      int[] row = new int[length];
      for (int t = 0; t < length; t++) {
        row[t] = texts.masked(b, t) ? RowLists.NONE : rows.row(b, t);
      }
      int[] bucket = new int[segments * length];
      int[] rank = new int[segments * length];
      int[] count = new int[segments * kinds];
      for (int i = 0; i < segments; i++) {
        BucketLists listed = hashed.lists(b)[i];
        for (int t = 0; t < length; t++) {
          int own = listed.bucket(t);
          bucket[i * length + t] = own;
          rank[i * length + t] = count[i * kinds + own]++;
        }
      }
      long from = (long) b * segments;
      backend.upload(places.rows(b, 1).columns(0, length), row);
      backend.upload(buckets.rows(from, segments).columns(0, length), bucket);
      backend.upload(ranks.rows(from, segments).columns(0, length), rank);
      backend.upload(counts.rows(from, segments), count);
    }
  }

  /**
   * Hashes the new tokens, one of each sequence, enters them and attends with them.
   *
   * @param out [B, H*K], receives the result
   * @param queryKeys [B, H*K], which are among the rows already
   * @param rows of the layer
   * @param own I32 [B], row of each new token
   * @param lengths I32 [B], tokens before
   */
  void attend(
      Tensor out, Tensor queryKeys, CachedRows rows, Tensor own, Tensor lengths, Pass pass) {
    Backend backend = pass.backend();
    int heads = config.numAttentionHeads();
    int size = config.attentionHeadSize();
    int window = hashed.window();
    AttentionSpec spec =
        new AttentionSpec(
            Sequences.full(batch, capacity),
            heads,
            size,
            config.lshAttnChunkLength(),
            config.lshNumChunksBefore(),
            config.lshNumChunksAfter(),
            true,
            Dropout.NONE);
    try (TensorScope scope = backend.scope("lists")) {
      Tensor found = scope.allocate(DType.I32, 1, heads, hash.rounds(), batch);
      hashed.hash(found, queryKeys, Sequences.full(1, batch), backend);
      Tensor listed = scope.allocate(DType.I32, batch, heads, hash.rounds(), window);
      backend.lshDecodeLists(
          listed, places, buckets, ranks, counts, found, own, lengths, spec, hash);
      backend.decodeAttention(
          out,
          queryKeys,
          rows.keys(),
          rows.values(),
          listed,
          own,
          pass.headMask(),
          new DecodeSpec(batch, heads, size, hash.rounds(), window, true));
    }
  }

  /**
   * Fetches what has been entered since, and returns what adds it to the lists of the host.
   *
   * @param b the sequence
   * @param from first token that is missing there
   * @param to behind the last one
   */
  Runnable fetch(int b, int from, int to, Backend backend) {
    int count = to - from;
    if (count == 0) {
      return () -> {};
    }
    Tensor entered = buckets.rows((long) b * segments, segments).columns(from, count);
    int[] bucket = backend.downloadInts(entered);
    return () -> {
      for (int i = 0; i < bucket.length; i++) {
        hashed.lists(b)[i / count].add(bucket[i]);
      }
    };
  }
}
