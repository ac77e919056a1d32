package org.reformer4j.model;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The buckets of an LSH layer's tokens while decoding. A sequence has none until it is longer than
 * a chunk; then all its tokens are hashed. The rotations are those of the prompt.
 */
final class HashedTokens {
  private final ReformerConfig config;
  private final HashSpec hash;
  private final Tensor rotations;

  /** Lists by sequence and by head and round; null for a sequence that is not hashed. */
  private final BucketLists[][] lists;

  /** Which sequences were hashed with their prompt. */
  private final boolean[] fromPrompt;

  private HashedTokens(
      ReformerConfig config,
      HashSpec hash,
      Tensor rotations,
      BucketLists[][] lists,
      boolean[] fromPrompt) {
    this.config = config;
    this.hash = hash;
    this.rotations = rotations;
    this.lists = lists;
    this.fromPrompt = fromPrompt;
  }

  /**
   * Makes the buckets of a prompt.
   *
   * @param rotations F32 [H, K, R * columns]
   * @param buckets [B, H, R, T], or null where nothing was hashed
   * @param lengths of the sequences
   */
  static HashedTokens of(
      ReformerConfig config, HashSpec hash, Tensor rotations, int[] buckets, int[] lengths) {
    int batch = lengths.length;
    HashedTokens tokens =
        new HashedTokens(config, hash, rotations, new BucketLists[batch][], new boolean[batch]);
    for (int b = 0; b < batch; b++) {
      if (Passes.paddedLength(config, lengths[b]) > config.lshAttnChunkLength()) {
        tokens.fromPrompt[b] = true;
        int perSequence = buckets.length / batch;
        int stride = perSequence / tokens.segments();
        tokens.fill(b, buckets, b * perSequence, stride, lengths[b]);
      }
    }
    return tokens;
  }

  /**
   * Copies the lists.
   *
   * @param copiedRotations the same numbers in memory that lives as long as the copy
   */
  HashedTokens copy(Tensor copiedRotations) {
    BucketLists[][] copies = new BucketLists[lists.length][];
    for (int b = 0; b < lists.length; b++) {
      if (lists[b] != null) {
        copies[b] = new BucketLists[lists[b].length];
        for (int i = 0; i < copies[b].length; i++) {
          copies[b][i] = lists[b][i].copy();
        }
      }
    }
    return new HashedTokens(config, hash, copiedRotations, copies, fromPrompt);
  }

  Tensor rotations() {
    return rotations;
  }

  int rounds() {
    return hash.rounds();
  }

  /** Returns H*R. */
  private int segments() {
    return config.numAttentionHeads() * hash.rounds();
  }

  /** Returns whether a sequence attends by its buckets. */
  boolean isHashed(int b) {
    return lists[b] != null;
  }

  private void fill(int b, int[] buckets, int from, int stride, int length) {
    lists[b] = new BucketLists[segments()];
    for (int i = 0; i < lists[b].length; i++) {
      // One more for the tokens of an attention mask.
      lists[b][i] = new BucketLists(hash.buckets() + 1);
      for (int t = 0; t < length; t++) {
        lists[b][i].add(buckets[from + i * stride + t]);
      }
    }
  }

  /**
   * Adds the new tokens to the lists of the sequences that have some.
   *
   * @param queryKeys [B, H*K]
   */
  void add(Tensor queryKeys, Backend backend) {
    int[] buckets = null;
    for (int b = 0; b < lists.length; b++) {
      if (lists[b] == null) {
        continue;
      }
      if (buckets == null) {
        buckets = hash(queryKeys, Sequences.full(lists.length, 1), backend);
      }
      for (int i = 0; i < lists[b].length; i++) {
        lists[b][i].add(buckets[b * segments() + i]);
      }
    }
  }

  /**
   * Returns what the newest token of a hashed sequence sees: the chunks around its place in the
   * sort, cyclically, so that in a short sequence a position may stand there twice.
   */
  int[] window(int b, int head, int round) {
    BucketLists tokens = lists[b][head * hash.rounds() + round];
    int chunk = config.lshAttnChunkLength();
    int before = config.lshNumChunksBefore();
    int[] window = new int[chunk * (1 + before + config.lshNumChunksAfter())];
    tokens.read(window, (tokens.rankOfLast() / chunk - before) * chunk);
    return window;
  }

  /** Hashes all tokens of the sequences that have filled a chunk with their newest token. */
  void hashLong(DecodeCache cache, CachedRows rows, Backend backend) {
    for (int b = 0; b < lists.length; b++) {
      int length = cache.length(b) + 1;
      if (lists[b] != null || length < config.lshAttnChunkLength()) {
        continue;
      }
      Tensor all = rows.keys().rows(rows.row(b, 0), length);
      int[] buckets = hash(all, Sequences.full(1, length), backend);
      for (int i = 0; i < buckets.length; i++) {
        if (cache.masked(b, i % length)) {
          buckets[i] = hash.buckets();
        }
      }
      fill(b, buckets, 0, length, length);
    }
  }

  /** Goes back to so many tokens of a sequence, of which so many were the prompt. */
  void truncate(int b, int length, int prompt) {
    if (lists[b] == null) {
      return;
    }
    boolean hashed = fromPrompt[b] || (length > prompt && length >= config.lshAttnChunkLength());
    if (!hashed) {
      lists[b] = null;
      return;
    }
    for (BucketLists tokens : lists[b]) {
      tokens.truncate(length);
    }
  }

  private int[] hash(Tensor queryKeys, Sequences sequences, Backend backend) {
    // Chunks mean nothing here.
    AttentionSpec spec =
        new AttentionSpec(
            sequences,
            config.numAttentionHeads(),
            config.attentionHeadSize(),
            sequences.stride(),
            0,
            0,
            true,
            Dropout.NONE);
    try (TensorScope scope = backend.scope("hash")) {
      Tensor buckets =
          scope.allocate(
              DType.I32, sequences.batch(), spec.heads(), hash.rounds(), sequences.stride());
      backend.lshBuckets(buckets, queryKeys, rotations, null, spec, hash);
      return backend.downloadInts(buckets);
    }
  }
}
