package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.generate.CachedDecoder;

/** Models on fixed-point streams: what is rebuilt is what was there. */
class ExactReversibilityTest {
  /** Where kernels are simulated, a block takes about a millisecond. */
  private static final int DEEP = Boolean.getBoolean(TestBackends.FAKE_CUDA) ? 16 : 100;

  static List<String> backends() {
    return TestBackends.names();
  }

  private static ReformerConfigBuilder exact(int layers) {
    return TestModels.small(layers).residualArithmetic(ResidualArithmetic.FIXED_POINT);
  }

  /** Where floats have drifted. */
  @ParameterizedTest
  @MethodSource("backends")
  void theInverseIsExactAtAnyDepth(String name) {
    Batch batch = TestModels.batch(1, 60, 3);
    CallOptions call = CallOptions.training(2, 5);
    ReformerConfig config = TestModels.withDropout(exact(DEEP)).build();
    ReformerConfig floats = config.toBuilder().residualArithmetic(ResidualArithmetic.FLOAT).build();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1);
        ReformerModel drifting = ReformerModel.create(floats, backend, 1)) {
      assertEquals(0.0, model.reconstructionError(batch, call));
      assertTrue(drifting.reconstructionError(batch, call) > 0, "control");
    }
  }

  /** Rebuilding everything, hashes included, gives the gradients of keeping everything. */
  @ParameterizedTest
  @MethodSource("backends")
  void gradientsAreThoseOfAPassThatStores(String name) {
    Batch batch = TestModels.batch(2, 120, 1);
    ReformerConfig config = TestModels.withDropout(exact(6)).build();
    List<List<float[]>> all = new ArrayList<>();
    for (MemoryPolicy policy : List.of(MemoryPolicy.RECOMPUTE, MemoryPolicy.KEEP_ATTENTION)) {
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1)) {
        model.enableTraining();
        double loss =
            model.lossAndGradients(batch, CallOptions.training(1, 1).withMemory(policy), 1f);
        List<float[]> results = new ArrayList<>(List.of(new float[] {(float) loss}));
        for (Parameter parameter : model.parameters().all()) {
          results.add(backend.download(parameter.gradient()));
        }
        all.add(results);
      }
    }
    for (int i = 0; i < all.get(0).size(); i++) {
      assertArrayEquals(all.get(0).get(i), all.get(1).get(i), "result " + i);
    }
  }

  /** Steps of 2^-20 change little, and decoding goes on from them. */
  @ParameterizedTest
  @MethodSource("backends")
  void lossAndLogitsAreCloseToThoseOfFloats(String name) {
    Batch batch = TestModels.batch(1, 60, 1);
    ReformerConfig config = exact(4).build();
    ReformerConfig floats = config.toBuilder().residualArithmetic(ResidualArithmetic.FLOAT).build();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1);
        ReformerModel other = ReformerModel.create(floats, backend, 1)) {
      assertEquals(
          other.loss(batch, CallOptions.EVALUATION),
          model.loss(batch, CallOptions.EVALUATION),
          2e-5);
      int[] ids = TestModels.ids(20, 7);
      try (CachedDecoder first = new CachedDecoder(model, CallOptions.EVALUATION);
          CachedDecoder second = new CachedDecoder(other, CallOptions.EVALUATION)) {
        first.append(ids);
        second.append(ids);
        assertArrayEquals(second.append(4), first.append(4), 1e-4f);
      }
    }
  }

  /** A stream that leaves its range ends the step with an error that names where. */
  @ParameterizedTest
  @MethodSource("backends")
  void overflowIsReportedWithItsLayer(String name) {
    Map<String, String> parameters = new LinkedHashMap<>();
    parameters.put("reformer.embeddings.word_embeddings.weight", "the embeddings");
    for (int layer = 0; layer < 3; layer++) {
      String prefix = "reformer.encoder.layers." + layer;
      parameters.put(prefix + ".attention.output.dense.weight", "layer " + layer + ", attention");
      parameters.put(
          prefix + ".feed_forward.output.dense.bias", "layer " + layer + ", feed-forward");
    }
    Batch batch = TestModels.batch(1, 60, 1);
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(exact(3).build(), backend, 1)) {
      model.enableTraining();
      double loss = model.loss(batch, CallOptions.EVALUATION);
      parameters.forEach(
          (parameter, place) -> {
            Tensor value = model.parameters().find(parameter).value();
            float[] before = backend.download(value);
            float[] large = new float[before.length];
            for (int i = 0; i < large.length; i++) {
              large[i] = before[i] * 1e5f + 3000f;
            }
            backend.upload(value, large);
            for (boolean training : new boolean[] {false, true}) {
              BackendException error =
                  assertThrows(
                      BackendException.class,
                      () -> {
                        if (training) {
                          model.lossAndGradients(batch, CallOptions.training(1, 1), 1f);
                        } else {
                          model.loss(batch, CallOptions.EVALUATION);
                        }
                      });
              String message = error.getMessage();
              assertTrue(message.contains(": in " + place + ": "), message);
              assertTrue(message.contains("range"), message);
            }
            backend.upload(value, before);
          });
      assertEquals(loss, model.loss(batch, CallOptions.EVALUATION), "the model goes on");
    }
  }

  /** New tokens of a cache, too. */
  @ParameterizedTest
  @MethodSource("backends")
  void overflowWhileDecodingIsReportedWithItsLayer(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(exact(2).build(), backend, 1);
        CachedDecoder decoder = new CachedDecoder(model, CallOptions.EVALUATION)) {
      decoder.append(TestModels.ids(20, 7));
      Parameter bias =
          model.parameters().find("reformer.encoder.layers.1.feed_forward.output.dense.bias");
      backend.fill(bias.value(), -3000f);
      BackendException error = assertThrows(BackendException.class, () -> decoder.append(4));
      assertTrue(error.getMessage().contains(": in layer 1, feed-forward: "), error.getMessage());
    }
  }
}
