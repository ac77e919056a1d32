package org.reformer4j.tests;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;

/** Small models and batches for tests. */
final class TestModels {
  static final int VOCABULARY = 23;

  private TestModels() {}

  /** Returns a causal model of alternating layers: 16 wide, 2 heads, chunks of 8. */
  static ReformerConfigBuilder small(int layers) {
    AttentionKind[] kinds = new AttentionKind[layers];
    Arrays.setAll(kinds, i -> i % 2 == 0 ? AttentionKind.LSH : AttentionKind.LOCAL);
    return ReformerConfig.builder()
        .attnLayers(List.of(kinds))
        .hiddenSize(16)
        .numAttentionHeads(2)
        .attentionHeadSize(8)
        .feedForwardSize(24)
        .vocabSize(VOCABULARY)
        .isDecoder(true)
        .axialPosEmbds(true)
        .axialPosShape(List.of(8, 16))
        .axialPosEmbdsDim(List.of(6, 10))
        .maxPositionEmbeddings(128)
        .localAttnChunkLength(8)
        .lshAttnChunkLength(8)
        .numBuckets(List.of(8))
        .numHashes(2)
        .initializerRange(0.3)
        .hiddenDropoutProb(0)
        .localAttentionProbsDropoutProb(0)
        .lshAttentionProbsDropoutProb(0);
  }

  /** Returns the same model with dropout everywhere. */
  static ReformerConfigBuilder withDropout(ReformerConfigBuilder builder) {
    return builder
        .hiddenDropoutProb(0.3)
        .localAttentionProbsDropoutProb(0.2)
        .lshAttentionProbsDropoutProb(0.2);
  }

  /** Returns random token ids. */
  static int[] ids(int length, int seed) {
    return new Random(seed).ints(length, 0, VOCABULARY).toArray();
  }

  /** Returns equal sequences with random tokens and targets. */
  static Batch batch(int sequences, int length, int seed) {
    return Batch.of(ids(sequences * length, seed), length)
        .withTargets(ids(sequences * length, seed + 1));
  }

  /** Does a step; returns its loss and all gradients, as one array. */
  static float[] lossAndGradients(ReformerModel model, Batch batch, CallOptions options) {
    float[] all = new float[Math.toIntExact(model.parameters().elements()) + 1];
    all[0] = (float) model.lossAndGradients(batch, options, 1f);
    int at = 1;
    for (Parameter parameter : model.parameters().all()) {
      float[] gradient = model.backend().download(parameter.gradient());
      System.arraycopy(gradient, 0, all, at, gradient.length);
      at += gradient.length;
    }
    return all;
  }
}
