package org.reformer4j.model;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.reformer4j.api.Activation;
import org.reformer4j.api.LshSelection;

/**
 * Makes a {@link ReformerConfig}; each setter sets the field of its name, whose meaning and range
 * stand there. Starts from the defaults of Hugging Face's ReformerConfig. Values are checked by
 * {@link #build()}, all together.
 */
public final class ReformerConfigBuilder {

  private List<String> architectures = List.of();
  private int attentionHeadSize = 64;
  private List<AttentionKind> attnLayers =
      List.of(
          AttentionKind.LOCAL,
          AttentionKind.LSH,
          AttentionKind.LOCAL,
          AttentionKind.LSH,
          AttentionKind.LOCAL,
          AttentionKind.LSH);
  private double axialNormStd = 1.0;
  private boolean axialPosEmbds = true;
  private List<Integer> axialPosEmbdsDim = List.of(64, 192);
  private List<Integer> axialPosShape = List.of(64, 64);
  private int chunkSizeFeedForward = 0;
  private int chunkSizeLmHead = 0;
  private OptionalDouble classifierDropout = OptionalDouble.empty();
  private int eosTokenId = 2;
  private int feedForwardSize = 512;
  private OptionalLong hashSeed = OptionalLong.empty();
  private Activation hiddenAct = Activation.RELU;
  private double hiddenDropoutProb = 0.05;
  private int hiddenSize = 256;
  private double initializerRange = 0.02;
  private boolean isDecoder = false;
  private double layerNormEps = 1e-12;
  private double localAttentionProbsDropoutProb = 0.05;
  private int localAttnChunkLength = 64;
  private int localNumChunksAfter = 0;
  private int localNumChunksBefore = 1;
  private double lshAttentionProbsDropoutProb = 0.0;
  private int lshAttnChunkLength = 64;
  private int lshNumChunksAfter = 0;
  private int lshNumChunksBefore = 1;
  private int maxPositionEmbeddings = 4096;
  private int numAttentionHeads = 12;
  private List<Integer> numBuckets = List.of();
  private int numHashes = 1;
  private int padTokenId = 0;
  private List<String> labels = defaultLabels(2);
  private Optional<ProblemType> problemType = Optional.empty();
  private boolean tieWordEmbeddings = false;
  private boolean useCache = true;
  private int vocabSize = 320;
  private LshHashing lshHashing = LshHashing.FLOAT;
  private LshSelection lshSelection = LshSelection.SORTED;
  private boolean lshDistinctKeys;
  private ResidualArithmetic residualArithmetic = ResidualArithmetic.FLOAT;
  private Dialect dialect = Dialect.HUGGING_FACE;
  private Map<String, String> extra = Map.of();

  ReformerConfigBuilder() {}

  ReformerConfigBuilder(ReformerConfig config) {
    architectures = config.architectures();
    attentionHeadSize = config.attentionHeadSize();
    attnLayers = config.attnLayers();
    axialNormStd = config.axialNormStd();
    axialPosEmbds = config.axialPosEmbds();
    axialPosEmbdsDim = config.axialPosEmbdsDim();
    axialPosShape = config.axialPosShape();
    chunkSizeFeedForward = config.chunkSizeFeedForward();
    chunkSizeLmHead = config.chunkSizeLmHead();
    classifierDropout = config.classifierDropout();
    eosTokenId = config.eosTokenId();
    feedForwardSize = config.feedForwardSize();
    hashSeed = config.hashSeed();
    hiddenAct = config.hiddenAct();
    hiddenDropoutProb = config.hiddenDropoutProb();
    hiddenSize = config.hiddenSize();
    initializerRange = config.initializerRange();
    isDecoder = config.isDecoder();
    layerNormEps = config.layerNormEps();
    localAttentionProbsDropoutProb = config.localAttentionProbsDropoutProb();
    localAttnChunkLength = config.localAttnChunkLength();
    localNumChunksAfter = config.localNumChunksAfter();
    localNumChunksBefore = config.localNumChunksBefore();
    lshAttentionProbsDropoutProb = config.lshAttentionProbsDropoutProb();
    lshAttnChunkLength = config.lshAttnChunkLength();
    lshNumChunksAfter = config.lshNumChunksAfter();
    lshNumChunksBefore = config.lshNumChunksBefore();
    maxPositionEmbeddings = config.maxPositionEmbeddings();
    numAttentionHeads = config.numAttentionHeads();
    numBuckets = config.numBuckets();
    numHashes = config.numHashes();
    padTokenId = config.padTokenId();
    labels = config.labels();
    problemType = config.problemType();
    tieWordEmbeddings = config.tieWordEmbeddings();
    useCache = config.useCache();
    vocabSize = config.vocabSize();
    lshHashing = config.lshHashing();
    lshSelection = config.lshSelection();
    lshDistinctKeys = config.lshDistinctKeys();
    residualArithmetic = config.residualArithmetic();
    dialect = config.dialect();
    extra = config.extra();
  }

  public ReformerConfigBuilder architectures(List<String> architectures) {
    this.architectures = List.copyOf(architectures);
    return this;
  }

  public ReformerConfigBuilder attentionHeadSize(int attentionHeadSize) {
    this.attentionHeadSize = attentionHeadSize;
    return this;
  }

  public ReformerConfigBuilder attnLayers(List<AttentionKind> attnLayers) {
    this.attnLayers = List.copyOf(attnLayers);
    return this;
  }

  public ReformerConfigBuilder attnLayers(AttentionKind... attnLayers) {
    return attnLayers(List.of(attnLayers));
  }

  public ReformerConfigBuilder axialNormStd(double axialNormStd) {
    this.axialNormStd = axialNormStd;
    return this;
  }

  public ReformerConfigBuilder axialPosEmbds(boolean axialPosEmbds) {
    this.axialPosEmbds = axialPosEmbds;
    return this;
  }

  public ReformerConfigBuilder axialPosEmbdsDim(List<Integer> axialPosEmbdsDim) {
    this.axialPosEmbdsDim = List.copyOf(axialPosEmbdsDim);
    return this;
  }

  public ReformerConfigBuilder axialPosEmbdsDim(Integer... axialPosEmbdsDim) {
    return axialPosEmbdsDim(List.of(axialPosEmbdsDim));
  }

  public ReformerConfigBuilder axialPosShape(List<Integer> axialPosShape) {
    this.axialPosShape = List.copyOf(axialPosShape);
    return this;
  }

  public ReformerConfigBuilder axialPosShape(Integer... axialPosShape) {
    return axialPosShape(List.of(axialPosShape));
  }

  public ReformerConfigBuilder chunkSizeFeedForward(int chunkSizeFeedForward) {
    this.chunkSizeFeedForward = chunkSizeFeedForward;
    return this;
  }

  public ReformerConfigBuilder chunkSizeLmHead(int chunkSizeLmHead) {
    this.chunkSizeLmHead = chunkSizeLmHead;
    return this;
  }

  public ReformerConfigBuilder classifierDropout(double classifierDropout) {
    this.classifierDropout = OptionalDouble.of(classifierDropout);
    return this;
  }

  /** Sets or, with an empty value, clears {@code classifier_dropout}. */
  public ReformerConfigBuilder classifierDropout(OptionalDouble classifierDropout) {
    this.classifierDropout = classifierDropout;
    return this;
  }

  public ReformerConfigBuilder eosTokenId(int eosTokenId) {
    this.eosTokenId = eosTokenId;
    return this;
  }

  public ReformerConfigBuilder feedForwardSize(int feedForwardSize) {
    this.feedForwardSize = feedForwardSize;
    return this;
  }

  public ReformerConfigBuilder hashSeed(long hashSeed) {
    this.hashSeed = OptionalLong.of(hashSeed);
    return this;
  }

  /** Sets or, with an empty value, clears {@code hash_seed}. */
  public ReformerConfigBuilder hashSeed(OptionalLong hashSeed) {
    this.hashSeed = hashSeed;
    return this;
  }

  public ReformerConfigBuilder hiddenAct(Activation hiddenAct) {
    this.hiddenAct = hiddenAct;
    return this;
  }

  public ReformerConfigBuilder hiddenDropoutProb(double hiddenDropoutProb) {
    this.hiddenDropoutProb = hiddenDropoutProb;
    return this;
  }

  public ReformerConfigBuilder hiddenSize(int hiddenSize) {
    this.hiddenSize = hiddenSize;
    return this;
  }

  public ReformerConfigBuilder initializerRange(double initializerRange) {
    this.initializerRange = initializerRange;
    return this;
  }

  public ReformerConfigBuilder isDecoder(boolean isDecoder) {
    this.isDecoder = isDecoder;
    return this;
  }

  public ReformerConfigBuilder layerNormEps(double layerNormEps) {
    this.layerNormEps = layerNormEps;
    return this;
  }

  public ReformerConfigBuilder localAttentionProbsDropoutProb(
      double localAttentionProbsDropoutProb) {
    this.localAttentionProbsDropoutProb = localAttentionProbsDropoutProb;
    return this;
  }

  public ReformerConfigBuilder localAttnChunkLength(int localAttnChunkLength) {
    this.localAttnChunkLength = localAttnChunkLength;
    return this;
  }

  public ReformerConfigBuilder localNumChunksAfter(int localNumChunksAfter) {
    this.localNumChunksAfter = localNumChunksAfter;
    return this;
  }

  public ReformerConfigBuilder localNumChunksBefore(int localNumChunksBefore) {
    this.localNumChunksBefore = localNumChunksBefore;
    return this;
  }

  public ReformerConfigBuilder lshAttentionProbsDropoutProb(double lshAttentionProbsDropoutProb) {
    this.lshAttentionProbsDropoutProb = lshAttentionProbsDropoutProb;
    return this;
  }

  public ReformerConfigBuilder lshAttnChunkLength(int lshAttnChunkLength) {
    this.lshAttnChunkLength = lshAttnChunkLength;
    return this;
  }

  public ReformerConfigBuilder lshNumChunksAfter(int lshNumChunksAfter) {
    this.lshNumChunksAfter = lshNumChunksAfter;
    return this;
  }

  public ReformerConfigBuilder lshNumChunksBefore(int lshNumChunksBefore) {
    this.lshNumChunksBefore = lshNumChunksBefore;
    return this;
  }

  public ReformerConfigBuilder maxPositionEmbeddings(int maxPositionEmbeddings) {
    this.maxPositionEmbeddings = maxPositionEmbeddings;
    return this;
  }

  public ReformerConfigBuilder numAttentionHeads(int numAttentionHeads) {
    this.numAttentionHeads = numAttentionHeads;
    return this;
  }

  public ReformerConfigBuilder numBuckets(List<Integer> numBuckets) {
    this.numBuckets = List.copyOf(numBuckets);
    return this;
  }

  public ReformerConfigBuilder numBuckets(Integer... numBuckets) {
    return numBuckets(List.of(numBuckets));
  }

  public ReformerConfigBuilder numHashes(int numHashes) {
    this.numHashes = numHashes;
    return this;
  }

  public ReformerConfigBuilder padTokenId(int padTokenId) {
    this.padTokenId = padTokenId;
    return this;
  }

  public ReformerConfigBuilder labels(List<String> labels) {
    this.labels = List.copyOf(labels);
    return this;
  }

  /**
   * Sets the number of classes and names them as Hugging Face does: LABEL_0, LABEL_1 ...
   *
   * @param numLabels how many; a negative number counts as 0, which {@link #build()} refuses
   */
  public ReformerConfigBuilder numLabels(int numLabels) {
    return labels(defaultLabels(numLabels));
  }

  public ReformerConfigBuilder problemType(ProblemType problemType) {
    this.problemType = Optional.of(problemType);
    return this;
  }

  /** Sets or, with an empty value, clears {@code problem_type}. */
  public ReformerConfigBuilder problemType(Optional<ProblemType> problemType) {
    this.problemType = problemType;
    return this;
  }

  public ReformerConfigBuilder tieWordEmbeddings(boolean tieWordEmbeddings) {
    this.tieWordEmbeddings = tieWordEmbeddings;
    return this;
  }

  public ReformerConfigBuilder useCache(boolean useCache) {
    this.useCache = useCache;
    return this;
  }

  public ReformerConfigBuilder vocabSize(int vocabSize) {
    this.vocabSize = vocabSize;
    return this;
  }

  public ReformerConfigBuilder lshHashing(LshHashing lshHashing) {
    this.lshHashing = lshHashing;
    return this;
  }

  public ReformerConfigBuilder lshSelection(LshSelection lshSelection) {
    this.lshSelection = lshSelection;
    return this;
  }

  public ReformerConfigBuilder lshDistinctKeys(boolean lshDistinctKeys) {
    this.lshDistinctKeys = lshDistinctKeys;
    return this;
  }

  public ReformerConfigBuilder residualArithmetic(ResidualArithmetic residualArithmetic) {
    this.residualArithmetic = residualArithmetic;
    return this;
  }

  /** Returns the dialect set so far, so that one of its choices can be changed. */
  public Dialect dialect() {
    return dialect;
  }

  public ReformerConfigBuilder dialect(Dialect dialect) {
    this.dialect = dialect;
    return this;
  }

  /** Sets the other fields of {@code config.json}: name to JSON text. */
  public ReformerConfigBuilder extra(Map<String, String> extra) {
    this.extra = new TreeMap<>(extra);
    return this;
  }

  /**
   * Returns the config.
   *
   * @throws InvalidConfigException if a value is out of range or two do not fit together; it lists
   *     every such field, its value and the fix
   */
  public ReformerConfig build() {
    return new ReformerConfig(
        architectures,
        attentionHeadSize,
        attnLayers,
        axialNormStd,
        axialPosEmbds,
        axialPosEmbdsDim,
        axialPosShape,
        chunkSizeFeedForward,
        chunkSizeLmHead,
        classifierDropout,
        eosTokenId,
        feedForwardSize,
        hashSeed,
        hiddenAct,
        hiddenDropoutProb,
        hiddenSize,
        initializerRange,
        isDecoder,
        layerNormEps,
        localAttentionProbsDropoutProb,
        localAttnChunkLength,
        localNumChunksAfter,
        localNumChunksBefore,
        lshAttentionProbsDropoutProb,
        lshAttnChunkLength,
        lshNumChunksAfter,
        lshNumChunksBefore,
        maxPositionEmbeddings,
        numAttentionHeads,
        numBuckets,
        numHashes,
        padTokenId,
        labels,
        problemType,
        tieWordEmbeddings,
        useCache,
        vocabSize,
        lshHashing,
        lshSelection,
        lshDistinctKeys,
        residualArithmetic,
        dialect,
        extra);
  }

  private static List<String> defaultLabels(int count) {
    return IntStream.range(0, count).mapToObj(id -> "LABEL_" + id).toList();
  }
}
