package org.reformer4j.model;

import java.util.Arrays;
import java.util.Objects;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The buckets of an LSH layer's tokens while decoding. With the sorted selection a sequence has
 * none until it is longer than a chunk; then all its tokens are hashed. The rotations are those of
 * the prompt.
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
   * @param rotations of the prompt, F32 or I8
   * @param buckets [B, H, R, T], or null where nothing was hashed
   * @param lengths of the sequences
   */
  static HashedTokens of(
      ReformerConfig config, HashSpec hash, Tensor rotations, int[] buckets, int[] lengths) {
    int batch = lengths.length;
    HashedTokens tokens =
        new HashedTokens(config, hash, rotations, new BucketLists[batch][], new boolean[batch]);
    for (int b = 0; b < batch; b++) {
      if (tokens.isHashedPrompt(lengths[b])) {
        tokens.fromPrompt[b] = true;
        int perSequence = buckets.length / batch;
        int stride = perSequence / tokens.segments();
        tokens.fill(b, buckets, b * perSequence, stride, lengths[b]);
      }
    }
    return tokens;
  }

  /**
   * Returns the lists of some of the sequences, which change independently and share what is
   * listed.
   *
   * @param sequences which; one may be there more than once
   */
  HashedTokens fork(int[] sequences) {
    BucketLists[][] copies = new BucketLists[sequences.length][];
    boolean[] hashed = new boolean[sequences.length];
    for (int i = 0; i < sequences.length; i++) {
      BucketLists[] original = lists[sequences[i]];
      hashed[i] = fromPrompt[sequences[i]];
      if (original != null) {
        copies[i] = Arrays.stream(original).map(BucketLists::copy).toArray(BucketLists[]::new);
      }
    }
    return new HashedTokens(config, hash, rotations, copies, hashed);
  }

  HashSpec spec() {
    return hash;
  }

  /** Returns the lists of a sequence by head and round, or null if it is not hashed. */
  BucketLists[] lists(int b) {
    return lists[b];
  }

  /** Returns whether all sequences are hashed. */
  boolean hashesAll() {
    return Arrays.stream(lists).allMatch(Objects::nonNull);
  }

  /** Returns H*R. */
  private int segments() {
    return config.numAttentionHeads() * hash.rounds();
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

  /** Returns the most positions that a round of a new token can list. */
  int window() {
    // The token that fills a chunk sees all the others before it is hashed.
    return Math.max(chunks(), config.lshAttnChunkLength() + 1);
  }

  /** Returns the positions of the chunks around a token. */
  private int chunks() {
    int chunks = 1 + config.lshNumChunksBefore() + config.lshNumChunksAfter();
    return chunks * config.lshAttnChunkLength();
  }

  /**
   * Adds the new tokens one after the other and lists what each sees: the chunks around its place
   * in the sort, cyclically, so that in a short sequence a position may stand there twice.
   *
   * @param queryKeys [N, H*K] of the new tokens, which are among the rows
   */
  void add(Tensor queryKeys, CachedTexts texts, CachedRows rows, RowLists seen, Backend backend) {
    int[] buckets = null;
    int count = (int) queryKeys.rows();
    int row = 0;
    for (int b = 0; b < lists.length; b++) {
      for (int i = 0; i < texts.added(b); i++) {
        int length = texts.length(b) + i + 1;
        if (lists[b] == null) {
          seen.range(row, b, 0, length);
          if (length >= config.lshAttnChunkLength()) {
            hashAll(b, length, texts, rows, backend);
          }
        } else {
          if (buckets == null) {
            buckets = hash(queryKeys, Sequences.full(1, count), backend);
          }
          list(row, b, buckets, count, seen);
        }
        row++;
      }
    }
  }

  private boolean isCausal() {
    return hash.selection() == LshSelection.CAUSAL;
  }

  private void list(int row, int b, int[] buckets, int count, RowLists seen) {
    int chunk = config.lshAttnChunkLength();
    int before = config.lshNumChunksBefore();
    for (int i = 0; i < lists[b].length; i++) {
      BucketLists tokens = lists[b][i];
      tokens.add(buckets[i * count + row]);
      if (isCausal()) {
        seen.bucket(row, b, i, tokens, chunk, before);
      } else {
        int first = (tokens.rankOfLast() / chunk - before) * chunk;
        int length = chunks();
        if (hash.distinct()) {
          // Chunks form no ring then.
          length = Math.min(first + length, tokens.size()) - Math.max(first, 0);
          first = Math.max(first, 0);
        }
        seen.sorted(row, b, i, tokens, first, length);
      }
    }
    for (int head = 0; hash.distinct() && head < config.numAttentionHeads(); head++) {
      seen.onceEach(row, head);
    }
  }

  /** Hashes all tokens of a sequence that has just filled a chunk. */
  private void hashAll(int b, int length, CachedTexts texts, CachedRows rows, Backend backend) {
    int[] buckets;
    try (TensorScope scope = backend.scope("hash-all")) {
      Tensor all = rows.leadingKeys(b, length, scope, backend);
      buckets = hash(all, Sequences.full(1, length), backend);
    }
    for (int i = 0; i < buckets.length; i++) {
      if (texts.masked(b, i % length)) {
        buckets[i] = hash.buckets();
      }
    }
    fill(b, buckets, 0, length, length);
  }

  /**
   * Goes back.
   *
   * @param b the sequence
   * @param length tokens to keep
   * @param prompt tokens that came as a prompt; where fewer are kept, these are a prompt from now
   *     on
   */
  void truncate(int b, int length, int prompt) {
    if (lists[b] == null) {
      return;
    }
    if (length < prompt) {
      fromPrompt[b] &= isHashedPrompt(length);
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

  private boolean isHashedPrompt(int length) {
    return isCausal() || Passes.paddedLength(config, length) > config.lshAttnChunkLength();
  }

  private int[] hash(Tensor queryKeys, Sequences sequences, Backend backend) {
    try (TensorScope scope = backend.scope("hash")) {
      Tensor buckets =
          scope.allocate(
              DType.I32,
              sequences.batch(),
              config.numAttentionHeads(),
              hash.rounds(),
              sequences.stride());
      hash(buckets, queryKeys, sequences, backend);
      return backend.downloadInts(buckets);
    }
  }

  /**
   * Hashes rows.
   *
   * @param buckets I32 [B, H, R, T], receives their buckets
   * @param queryKeys [B*T, H*K]
   * @param sequences B of T rows
   */
  void hash(Tensor buckets, Tensor queryKeys, Sequences sequences, Backend backend) {
    AttentionSpec spec =
        AttentionSpec.ofHashing(sequences, config.numAttentionHeads(), config.attentionHeadSize());
    backend.lshBuckets(buckets, queryKeys, rotations, null, spec, hash);
  }
}
