package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reformer4j.model.AttentionKind.LOCAL;
import static org.reformer4j.model.AttentionKind.LSH;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;

class ReformerConfigTest {
  @Test
  void defaultsAreThoseOfHuggingFace() {
    ReformerConfig config = ReformerConfig.builder().build();
    assertEquals(64, config.attentionHeadSize());
    assertEquals(List.of(LOCAL, LSH, LOCAL, LSH, LOCAL, LSH), config.attnLayers());
    assertEquals(1.0, config.axialNormStd());
    assertTrue(config.axialPosEmbds());
    assertEquals(List.of(64, 64), config.axialPosShape());
    assertEquals(List.of(64, 192), config.axialPosEmbdsDim());
    assertEquals(0, config.chunkSizeLmHead());
    assertEquals(0, config.chunkSizeFeedForward());
    assertEquals(2, config.eosTokenId());
    assertEquals(512, config.feedForwardSize());
    assertEquals(OptionalLong.empty(), config.hashSeed());
    assertEquals(Activation.RELU, config.hiddenAct());
    assertEquals(0.05, config.hiddenDropoutProb());
    assertEquals(256, config.hiddenSize());
    assertEquals(0.02, config.initializerRange());
    assertEquals(false, config.isDecoder());
    assertEquals(1e-12, config.layerNormEps());
    assertEquals(1, config.localNumChunksBefore());
    assertEquals(0, config.localNumChunksAfter());
    assertEquals(0.05, config.localAttentionProbsDropoutProb());
    assertEquals(64, config.localAttnChunkLength());
    assertEquals(64, config.lshAttnChunkLength());
    assertEquals(0.0, config.lshAttentionProbsDropoutProb());
    assertEquals(1, config.lshNumChunksBefore());
    assertEquals(0, config.lshNumChunksAfter());
    assertEquals(4096, config.maxPositionEmbeddings());
    assertEquals(12, config.numAttentionHeads());
    assertEquals(List.of(), config.numBuckets());
    assertEquals(1, config.numHashes());
    assertEquals(0, config.padTokenId());
    assertEquals(320, config.vocabSize());
    assertEquals(false, config.tieWordEmbeddings());
    assertEquals(true, config.useCache());
    assertTrue(config.classifierDropout().isEmpty());
    assertTrue(config.problemType().isEmpty());
    assertEquals(Map.of(0, "LABEL_0", 1, "LABEL_1"), config.id2label());
    assertEquals(Map.of("LABEL_0", 0, "LABEL_1", 1), config.label2id());
    assertEquals(2, config.numLabels());
    assertEquals(6, config.numHiddenLayers());
    assertEquals(768, config.allHeadSize());
    assertEquals(4096, config.maxPositions());
    assertEquals(64, config.paddingMultiple());
    assertEquals(64, config.minChunkLength());
    assertEquals(config, config.toBuilder().build());
  }

  @Test
  void chunkLengthsCountOnlyForKindsPresent() {
    ReformerConfigBuilder builder =
        ReformerConfig.builder().localAttnChunkLength(12).lshAttnChunkLength(8);
    assertEquals(24, builder.build().paddingMultiple());
    assertEquals(8, builder.build().minChunkLength());
    assertEquals(12, builder.attnLayers(LOCAL).build().paddingMultiple());
    assertEquals(12, builder.build().minChunkLength());
    assertEquals(8, builder.attnLayers(LSH).build().paddingMultiple());
  }

  @Test
  void positionsComeFromTheKindOfEmbedding() {
    ReformerConfigBuilder builder =
        ReformerConfig.builder().axialPosShape(4, 8, 16).axialPosEmbdsDim(64, 64, 128);
    assertEquals(512, builder.build().maxPositions());
    // As in Hugging Face, axial fields do not count where positions are not axial.
    assertEquals(4096, builder.axialPosEmbds(false).axialPosEmbdsDim(1).build().maxPositions());
  }

  @Test
  void automaticBucketsFollowHuggingFace() {
    ReformerConfig config = ReformerConfig.builder().build();
    assertEquals(List.of(4), config.bucketFactors(128));
    assertEquals(List.of(4), config.bucketFactors(192));
    assertEquals(List.of(128), config.bucketFactors(4096));
    assertEquals(List.of(16, 16), config.bucketFactors(8192));
    assertEquals(List.of(16, 32), config.bucketFactors(16384));
    // What Hugging Face chose in two recorded runs.
    ReformerConfigBuilder recorded = config.toBuilder();
    assertEquals(
        List.of(8),
        recorded.lshAttnChunkLength(16).maxPositionEmbeddings(96).build().bucketFactors(96));
    assertEquals(
        List.of(4, 8),
        recorded.lshAttnChunkLength(4).maxPositionEmbeddings(64).build().bucketFactors(64));
    ReformerConfig large = config.toBuilder().maxPositionEmbeddings(1 << 24).build();
    assertEquals(List.of(1024), large.bucketFactors(1 << 15));
    assertEquals(List.of(32, 64), large.bucketFactors(1 << 16));
    assertEquals(List.of(2, 4), config.toBuilder().numBuckets(2, 4).build().bucketFactors(4096));
    assertThrows(IllegalArgumentException.class, () -> config.bucketFactors(0));
  }

  @Test
  void automaticBucketsAreAlwaysEven() {
    for (int chunk = 1; chunk <= 9; chunk++) {
      for (int max : new int[] {1, 7, 64, 4096}) {
        ReformerConfig config =
            ReformerConfig.builder().lshAttnChunkLength(chunk).maxPositionEmbeddings(max).build();
        for (int length = 1; length < 600; length++) {
          assertTrue(
              config.bucketFactors(length).stream().allMatch(f -> f >= 2 && f % 2 == 0),
              config.bucketFactors(length) + " at " + length);
        }
        assertTrue(
            config.bucketFactors(Integer.MAX_VALUE).stream().allMatch(f -> f >= 2 && f % 2 == 0));
      }
    }
  }

  static Stream<Arguments> badConfigs() {
    return Stream.of(
        bad(b -> b.attentionHeadSize(0), "attention_head_size is 0"),
        bad(b -> b.attnLayers(), "attn_layers is empty"),
        bad(b -> b.axialPosEmbdsDim(64, 64), "[64, 64] sums to 128 but hidden_size is 256"),
        bad(b -> b.axialPosEmbdsDim(256), "differ in length"),
        bad(b -> b.axialPosEmbdsDim(-64, 320), "axial_pos_embds_dim is [-64, 320]"),
        bad(b -> b.axialPosShape(0, 64), "axial_pos_shape is [0, 64]"),
        bad(b -> b.axialPosShape(65536, 65536), "at most 2^31 - 1 positions"),
        bad(b -> b.numBuckets(8, 3), "num_buckets is [8, 3]; every factor must be even"),
        bad(b -> b.numBuckets(-2), "num_buckets is [-2]"),
        bad(b -> b.numBuckets(0), "num_buckets is [0]"),
        bad(b -> b.numBuckets(65536, 65536), "2^31 - 2"),
        bad(b -> b.numBuckets(1 << 30, 1 << 30, 1 << 30), "2^31 - 2"),
        bad(b -> b.hiddenDropoutProb(1), "hidden_dropout_prob is 1.0"),
        bad(b -> b.hiddenDropoutProb(1 - 1e-12), "hidden_dropout_prob"),
        bad(b -> b.lshAttentionProbsDropoutProb(-0.1), "lsh_attention_probs_dropout_prob"),
        bad(b -> b.localAttentionProbsDropoutProb(Double.NaN), "local_attention_probs"),
        bad(b -> b.classifierDropout(2), "classifier_dropout is 2.0"),
        bad(b -> b.localNumChunksBefore(-1), "local_num_chunks_before is -1"),
        bad(b -> b.layerNormEps(0), "layer_norm_eps"),
        bad(b -> b.initializerRange(Double.POSITIVE_INFINITY), "initializer_range"),
        bad(b -> b.padTokenId(320), "0 to vocab_size - 1 = 319"),
        bad(b -> b.eosTokenId(-2), "eos_token_id is -2"),
        bad(b -> b.numLabels(0), "num_labels is 0"),
        bad(b -> b.labels(List.of("a", "a")), "the label 'a' twice"),
        bad(b -> b.tieWordEmbeddings(true), "tie_word_embeddings"),
        bad(b -> b.numAttentionHeads(1 << 20).attentionHeadSize(1 << 20), "exceeds 2^31 - 1"),
        bad(
            b -> b.localAttnChunkLength(Integer.MAX_VALUE).lshAttnChunkLength(1 << 20),
            "least common multiple"));
  }

  private static Arguments bad(UnaryOperator<ReformerConfigBuilder> change, String message) {
    return Arguments.of(change, message);
  }

  @ParameterizedTest
  @MethodSource("badConfigs")
  void badValuesAreRefused(UnaryOperator<ReformerConfigBuilder> change, String message) {
    ReformerConfigBuilder builder = change.apply(ReformerConfig.builder());
    InvalidConfigException e = assertThrows(InvalidConfigException.class, builder::build);
    assertTrue(e.getMessage().contains(message), e.getMessage());
    assertEquals(1, e.problems().size(), e.getMessage());
  }

  @Test
  void allProblemsAreListedAtOnce() {
    ReformerConfigBuilder builder =
        ReformerConfig.builder().numHashes(0).vocabSize(-1).numBuckets(3).attnLayers(List.of());
    InvalidConfigException e = assertThrows(InvalidConfigException.class, builder::build);
    for (String field : List.of("num_hashes", "vocab_size", "num_buckets", "attn_layers")) {
      assertTrue(e.getMessage().contains(field), e.getMessage());
    }
  }

  @Test
  void causalWithChunksAfterIsAccepted() {
    assertEquals(
        1,
        ReformerConfig.builder().isDecoder(true).lshNumChunksAfter(1).build().lshNumChunksAfter());
  }
}
