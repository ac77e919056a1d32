package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;

/**
 * Branches, embeddings and head: the gradient of every parameter of whole models along a random
 * direction against central differences of the loss.
 */
class ModelGradientTest {
  private static final CallOptions OPTIONS = CallOptions.training(3, 5);

  static Stream<Arguments> configs() {
    List<ReformerConfig> configs = new ArrayList<>();
    for (AttentionKind kind : AttentionKind.values()) {
      ReformerConfig one =
          TestModels.small(1).attnLayers(List.of(kind)).hiddenAct(Activation.TANH).build();
      configs.add(one);
      configs.add(TestModels.withDropout(one.toBuilder()).build());
      configs.add(
          one.toBuilder().axialPosEmbds(false).isDecoder(false).lshNumChunksAfter(1).build());
    }
    for (Activation activation : Activation.values()) {
      configs.add(
          TestModels.withDropout(TestModels.small(2)).hiddenAct(activation).numHashes(3).build());
    }
    configs.add(causal().build());
    configs.add(causal().lshDistinctKeys(true).lshNumChunksBefore(2).build());
    configs.add(
        TestModels.small(1)
            .attnLayers(List.of(AttentionKind.LSH))
            .hiddenAct(Activation.TANH)
            .numHashes(3)
            .lshDistinctKeys(true)
            .build());
    return TestBackends.with(configs);
  }

  /** Chunks so short that runs have several. */
  private static ReformerConfigBuilder causal() {
    return TestModels.withDropout(TestModels.small(2))
        .hiddenAct(Activation.TANH)
        .lshSelection(LshSelection.CAUSAL)
        .lshAttnChunkLength(2)
        .numBuckets(List.of(4))
        .numHashes(3);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void everyGradientIsTheSlope(String backendName, ReformerConfig config) {
    Batch batch =
        Batch.of(TestModels.ids(30, 1), TestModels.ids(21, 2)).withTargets(TestModels.ids(60, 3));
    try (Backend backend = TestBackends.open(backendName);
        ReformerModel model = ReformerModel.create(config, backend, 2)) {
      model.enableTraining();
      model.lossAndGradients(batch, OPTIONS, 1f);
      Random random = new Random(4);
      LossSlope slope = new LossSlope(model, batch, OPTIONS, random);
      assertEquals(config.attnLayers().contains(AttentionKind.LSH), slope.hashes());
      int checked = 0;
      for (Parameter parameter : model.parameters().all()) {
        double size = slope.size(parameter);
        assertTrue(size > 0, parameter + " has no gradient");
        checked += slope.agrees(parameter, size) ? 1 : 0;
      }
      assertTrue(checked >= model.parameters().all().size() / 2, "checked only " + checked);
    }
  }

  @ParameterizedTest
  @MethodSource("configs")
  void gradientsAddUp(String backendName, ReformerConfig config) {
    Batch batch = TestModels.batch(1, 24, 9);
    try (Backend backend = TestBackends.open(backendName);
        ReformerModel model = ReformerModel.create(config, backend, 2)) {
      model.enableTraining();
      Parameter bias = model.parameters().find("lm_head.bias");
      model.lossAndGradients(batch, OPTIONS, 1f);
      float[] once = backend.download(bias.gradient());
      model.lossAndGradients(batch, OPTIONS, 0f);
      assertArrayEquals(once, backend.download(bias.gradient()), "weight 0 adds nothing");
      model.parameters().zeroGradients(backend);
      model.lossAndGradients(batch, OPTIONS, 1f);
      assertArrayEquals(once, backend.download(bias.gradient()), "the same bits again");
    }
  }
}
