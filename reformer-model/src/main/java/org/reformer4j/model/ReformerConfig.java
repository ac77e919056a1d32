package org.reformer4j.model;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import org.reformer4j.api.Activation;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;

/**
 * All that defines a Reformer besides its weights: the fields of Hugging Face's ReformerConfig with
 * their defaults. Made by {@link #builder()} or read by {@link
 * org.reformer4j.model.checkpoint.ConfigJson}; lists and maps are copied.
 *
 * @param architectures names of Hugging Face model classes; kept, not interpreted
 * @param attentionHeadSize K, columns of a head
 * @param attnLayers kind of attention of each layer, bottom first
 * @param axialNormStd standard deviation that axial positions start from
 * @param axialPosEmbds axial positions; otherwise learned ones, a row per position
 * @param axialPosEmbdsDim columns of each axis; their sum is the hidden size
 * @param axialPosShape length of each axis; their product is the number of positions
 * @param chunkSizeFeedForward positions of the feed-forward layer computed at a time, 0 for all
 * @param chunkSizeLmHead positions of the language-model head computed at a time, 0 for all
 * @param classifierDropout dropout in classification heads; empty for {@code hiddenDropoutProb}
 * @param eosTokenId token that ends a text, -1 for none
 * @param feedForwardSize F, inner columns of the feed-forward layer
 * @param hashSeed seed that makes hashing the same in every call; empty for fresh rotations
 * @param hiddenAct activation of the feed-forward layer
 * @param hiddenDropoutProb dropout of embeddings, attention output and feed-forward layer
 * @param hiddenSize D, columns of a residual stream
 * @param initializerRange standard deviation that weights start from
 * @param isDecoder causal attention
 * @param layerNormEps added to the variance in layer norms
 * @param localAttentionProbsDropoutProb dropout of attention probabilities in local layers
 * @param localAttnChunkLength chunk length of local layers
 * @param localNumChunksAfter chunks that local layers see after the own one; useless but legal
 *     where causal
 * @param localNumChunksBefore chunks that local layers see before the own one
 * @param lshAttentionProbsDropoutProb dropout of attention probabilities in LSH layers
 * @param lshAttnChunkLength chunk length of LSH layers
 * @param lshNumChunksAfter chunks that LSH layers see after the own one; useless but legal where
 *     causal
 * @param lshNumChunksBefore chunks that LSH layers see before the own one
 * @param maxPositionEmbeddings positions where not axial; also bounds automatic bucket numbers
 * @param numAttentionHeads H
 * @param numBuckets factors of the number of buckets; empty to choose by length
 * @param numHashes R, hash rounds
 * @param padTokenId token that fills up sequences
 * @param labels names of the classes by number: {@code id2label}
 * @param problemType loss of the classification head; empty to tell from the labels given
 * @param tieWordEmbeddings always false: the head has 2*D columns, the word embeddings D
 * @param useCache whether generation caches by default
 * @param vocabSize V
 * @param lshHashing in what numbers LSH layers hash
 * @param lshSelection which hashed tokens share a chunk
 * @param lshDistinctKeys whether a key that a query meets in several hash rounds counts once
 * @param residualArithmetic in what numbers the residual streams add up
 * @param dialect in what LSH attention may differ from Hugging Face's
 * @param extra other fields of {@code config.json} as JSON text, kept to be written back
 */
public record ReformerConfig(
    List<String> architectures,
    int attentionHeadSize,
    List<AttentionKind> attnLayers,
    double axialNormStd,
    boolean axialPosEmbds,
    List<Integer> axialPosEmbdsDim,
    List<Integer> axialPosShape,
    int chunkSizeFeedForward,
    int chunkSizeLmHead,
    OptionalDouble classifierDropout,
    int eosTokenId,
    int feedForwardSize,
    OptionalLong hashSeed,
    Activation hiddenAct,
    double hiddenDropoutProb,
    int hiddenSize,
    double initializerRange,
    boolean isDecoder,
    double layerNormEps,
    double localAttentionProbsDropoutProb,
    int localAttnChunkLength,
    int localNumChunksAfter,
    int localNumChunksBefore,
    double lshAttentionProbsDropoutProb,
    int lshAttnChunkLength,
    int lshNumChunksAfter,
    int lshNumChunksBefore,
    int maxPositionEmbeddings,
    int numAttentionHeads,
    List<Integer> numBuckets,
    int numHashes,
    int padTokenId,
    List<String> labels,
    Optional<ProblemType> problemType,
    boolean tieWordEmbeddings,
    boolean useCache,
    int vocabSize,
    LshHashing lshHashing,
    LshSelection lshSelection,
    boolean lshDistinctKeys,
    ResidualArithmetic residualArithmetic,
    Dialect dialect,
    Map<String, String> extra) {
  /** Value of {@code model_type}. */
  public static final String MODEL_TYPE = "reformer";

  /**
   * Checks all fields.
   *
   * @throws InvalidConfigException if a value is out of range or two do not fit together; it lists
   *     every such field, its value and the fix
   */
  public ReformerConfig {
    architectures = List.copyOf(architectures);
    attnLayers = List.copyOf(attnLayers);
    axialPosEmbdsDim = List.copyOf(axialPosEmbdsDim);
    axialPosShape = List.copyOf(axialPosShape);
    numBuckets = List.copyOf(numBuckets);
    labels = List.copyOf(labels);
    extra = Collections.unmodifiableSortedMap(new TreeMap<>(Map.copyOf(extra)));
    Objects.requireNonNull(classifierDropout, "classifierDropout");
    Objects.requireNonNull(dialect, "dialect");
    Objects.requireNonNull(lshHashing, "lshHashing");
    Objects.requireNonNull(lshSelection, "lshSelection");
    Objects.requireNonNull(residualArithmetic, "residualArithmetic");
    Objects.requireNonNull(hashSeed, "hashSeed");
    Objects.requireNonNull(hiddenAct, "hiddenAct");
    Objects.requireNonNull(problemType, "problemType");
    ConfigRules rules = new ConfigRules();
    rules
        .positive("attention_head_size", attentionHeadSize)
        .positive("feed_forward_size", feedForwardSize)
        .positive("hidden_size", hiddenSize)
        .positive("local_attn_chunk_length", localAttnChunkLength)
        .positive("lsh_attn_chunk_length", lshAttnChunkLength)
        .positive("max_position_embeddings", maxPositionEmbeddings)
        .positive("num_attention_heads", numAttentionHeads)
        .positive("num_hashes", numHashes)
        .positive("vocab_size", vocabSize)
        .notNegative("chunk_size_feed_forward", chunkSizeFeedForward)
        .notNegative("chunk_size_lm_head", chunkSizeLmHead)
        .notNegative("local_num_chunks_after", localNumChunksAfter)
        .notNegative("local_num_chunks_before", localNumChunksBefore)
        .notNegative("lsh_num_chunks_after", lshNumChunksAfter)
        .notNegative("lsh_num_chunks_before", lshNumChunksBefore)
        .probability("hidden_dropout_prob", hiddenDropoutProb)
        .probability("local_attention_probs_dropout_prob", localAttentionProbsDropoutProb)
        .probability("lsh_attention_probs_dropout_prob", lshAttentionProbsDropoutProb)
        .probability("classifier_dropout", classifierDropout.orElse(0))
        .notNegative("axial_norm_std", axialNormStd)
        .notNegative("initializer_range", initializerRange)
        .positive("layer_norm_eps", layerNormEps)
        .evenFactors("num_buckets", numBuckets)
        .labels(labels)
        .require(
            !attnLayers.isEmpty(), "attn_layers is empty; give each layer a kind, local or lsh")
        .require(
            (long) numAttentionHeads * attentionHeadSize <= Integer.MAX_VALUE,
            "num_attention_heads "
                + numAttentionHeads
                + " times attention_head_size "
                + attentionHeadSize
                + " exceeds 2^31 - 1; make them smaller")
        .require(
            padTokenId >= 0 && padTokenId < vocabSize,
            "pad_token_id is "
                + padTokenId
                + "; set it to a token of the vocabulary, 0 to vocab_size - 1 = "
                + (vocabSize - 1))
        .require(
            eosTokenId >= -1,
            "eos_token_id is " + eosTokenId + "; set it to a token, or -1 for none")
        .require(
            !tieWordEmbeddings,
            "tie_word_embeddings is true, but the head has twice the columns of"
                + " the word embeddings; set it to false");
    if (lshHashing == LshHashing.INTEGER && attnLayers.contains(AttentionKind.LSH)) {
      rules.integerHashing(attentionHeadSize, hashSeed);
    }
    if (axialPosEmbds) {
      rules.axial(axialPosShape, axialPosEmbdsDim, hiddenSize);
    }
    rules.require(
        localAttnChunkLength < 1
            || lshAttnChunkLength < 1
            || paddingMultiple(attnLayers, localAttnChunkLength, lshAttnChunkLength)
                <= Integer.MAX_VALUE,
        "local_attn_chunk_length "
            + localAttnChunkLength
            + " and lsh_attn_chunk_length "
            + lshAttnChunkLength
            + " have a least common multiple over 2^31 - 1, to which sequences"
            + " would be padded; choose lengths with common factors");
    rules.throwIfAny();
  }

  /** Returns a builder with the defaults of Hugging Face. */
  public static ReformerConfigBuilder builder() {
    return new ReformerConfigBuilder();
  }

  /** Returns a builder with the values of this config. */
  public ReformerConfigBuilder toBuilder() {
    return new ReformerConfigBuilder(this);
  }

  /** Returns {@code num_hidden_layers}, the number of layers. */
  public int numHiddenLayers() {
    return attnLayers.size();
  }

  /** Returns {@code num_labels}, the number of classes. */
  public int numLabels() {
    return labels.size();
  }

  /** Returns {@code id2label}: the name of every class, in the order of the numbers. */
  public SortedMap<Integer, String> id2label() {
    SortedMap<Integer, String> names = new TreeMap<>();
    for (int id = 0; id < labels.size(); id++) {
      names.put(id, labels.get(id));
    }
    return names;
  }

  /** Returns {@code label2id}: the number of every class, in the order of the numbers. */
  public Map<String, Integer> label2id() {
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (int id = 0; id < labels.size(); id++) {
      ids.put(labels.get(id), id);
    }
    return ids;
  }

  /** Returns H*K, the columns of queries, keys and values. */
  public int allHeadSize() {
    return numAttentionHeads * attentionHeadSize;
  }

  /** Returns the longest sequence that has positions. */
  public int maxPositions() {
    return axialPosEmbds
        ? axialPosShape.stream().mapToInt(Integer::intValue).reduce(1, (a, b) -> a * b)
        : maxPositionEmbeddings;
  }

  /** Returns the number whose multiples all layers can cut into chunks. */
  public int paddingMultiple() {
    return (int) paddingMultiple(attnLayers, localAttnChunkLength, lshAttnChunkLength);
  }

  /** Returns the smallest chunk length of the kinds of layers present; no layer cuts up to it. */
  public int minChunkLength() {
    return attnLayers.stream().mapToInt(this::chunkLength).min().orElseThrow();
  }

  /**
   * Returns the chunk length of a kind of layer.
   *
   * @param kind which kind
   */
  public int chunkLength(AttentionKind kind) {
    return kind == AttentionKind.LOCAL ? localAttnChunkLength : lshAttnChunkLength;
  }

  /**
   * Returns the factors of the number of buckets: those set, or else those of the dialect's rule;
   * by Hugging Face's, a power of two of about two buckets per chunk, in two factors where it is
   * large. Causal selection takes a power of two of at most one bucket per two chunks of the
   * longest sequence, whatever the length: otherwise a longer text would hash otherwise.
   *
   * @param paddedLength T, the length with its padding; less than an LSH chunk counts as one chunk
   * @throws IllegalArgumentException if the length is not positive
   */
  public List<Integer> bucketFactors(int paddedLength) {
    if (paddedLength < 1) {
      throw new IllegalArgumentException("paddedLength must be at least 1, got " + paddedLength);
    }
    if (!numBuckets.isEmpty()) {
      return numBuckets;
    }
    long limit =
        2L
            * Math.max(
                (int) Math.sqrt(maxPositionEmbeddings / lshAttnChunkLength), lshAttnChunkLength);
    if (lshSelection == LshSelection.CAUSAL) {
      int chunks = maxPositions() / lshAttnChunkLength;
      return Dialect.HUGGING_FACE.bucketFactors(Math.max(1, chunks / 4), limit);
    }
    return dialect.bucketFactors(Math.max(1, paddedLength / lshAttnChunkLength), limit);
  }

  /**
   * Returns how LSH layers hash.
   *
   * @param rounds R
   * @param paddedLength as {@link #bucketFactors} takes it
   */
  public HashSpec hash(int rounds, int paddedLength) {
    return new HashSpec(rounds, bucketFactors(paddedLength), lshSelection, lshDistinctKeys);
  }

  /**
   * Returns how far LSH layers of causal selection reach: a query sees so many tokens back in a
   * bucket of average size, the buckets times the tokens of the chunks before the own one. What
   * lies further back no layer can find, and training cannot mend that. {@link Long#MAX_VALUE} for
   * other models, whose chunks span buckets.
   */
  public long reach() {
    return lshSelection == LshSelection.CAUSAL && attnLayers.contains(AttentionKind.LSH)
        ? (long) hash(1, maxPositions()).buckets() * lshAttnChunkLength * lshNumChunksBefore
        : Long.MAX_VALUE;
  }

  private static long paddingMultiple(
      List<AttentionKind> layers, int localChunkLength, int lshChunkLength) {
    if (!layers.contains(AttentionKind.LSH)) {
      return localChunkLength;
    }
    if (!layers.contains(AttentionKind.LOCAL)) {
      return lshChunkLength;
    }
    int a = localChunkLength;
    int b = lshChunkLength;
    while (b != 0) {
      int rest = a % b;
      a = b;
      b = rest;
    }
    return (long) localChunkLength / a * lshChunkLength;
  }
}
