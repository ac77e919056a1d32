package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

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
    return TestBackends.with(configs);
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
      List<int[]> buckets = buckets(model, batch);
      assertEquals(config.attnLayers().contains(AttentionKind.LSH), !buckets.isEmpty());
      int checked = 0;
      for (Parameter parameter : model.parameters().all()) {
        float[] values = backend.download(parameter.value());
        float[] gradient = backend.download(parameter.gradient());
        float[] direction = new float[values.length];
        double size = 0;
        for (int i = 0; i < values.length; i++) {
          size += (double) gradient[i] * gradient[i];
        }
        size = Math.sqrt(size);
        assertTrue(size > 0, parameter + " has no gradient");
        // Half along the gradient, so that the slope is large, half at random.
        double expected = 0;
        float[] up = values.clone();
        float[] down = values.clone();
        float step = 2e-3f;
        for (int i = 0; i < values.length; i++) {
          direction[i] =
              (float) (gradient[i] / size + random.nextGaussian() / Math.sqrt(values.length));
          up[i] += step * direction[i];
          down[i] -= step * direction[i];
          expected += (double) gradient[i] * ((double) up[i] - down[i]) / (2 * step);
        }
        double high = loss(model, parameter, up, batch);
        boolean same = equal(buckets, buckets(model, batch));
        double low = loss(model, parameter, down, batch);
        same &= equal(buckets, buckets(model, batch));
        backend.upload(parameter.value(), values);
        // A step that moves a token to another bucket jumps; it says nothing about the slope.
        if (same) {
          assertEquals(
              expected,
              (high - low) / (2 * step),
              Tolerances.LOSS_DIFFERENCE * (1 + size),
              parameter.toString());
          checked++;
        }
      }
      assertTrue(checked >= model.parameters().all().size() / 2, "checked only " + checked);
    }
  }

  private static double loss(
      ReformerModel model, Parameter parameter, float[] values, Batch batch) {
    model.backend().upload(parameter.value(), values);
    return model.loss(batch, OPTIONS);
  }

  private static List<int[]> buckets(ReformerModel model, Batch batch) {
    List<int[]> seen = new ArrayList<>();
    Trace trace =
        new Trace() {
          @Override
          public void buckets(int layer, Tensor buckets, HashSpec hash) {
            seen.add(model.backend().downloadInts(buckets));
          }
        };
    model.loss(batch, OPTIONS.withTrace(trace));
    return seen;
  }

  private static boolean equal(List<int[]> expected, List<int[]> actual) {
    for (int i = 0; i < expected.size(); i++) {
      if (!Arrays.equals(expected.get(i), actual.get(i))) {
        return false;
      }
    }
    return true;
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
