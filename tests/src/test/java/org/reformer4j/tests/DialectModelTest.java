package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.Dialect;
import org.reformer4j.model.Dialect.LogitScale;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

/** A dialect's choices, in whole models. */
class DialectModelTest {
  private static final String QUERY_KEY = "query_key.weight";

  static List<String> backends() {
    return TestBackends.names();
  }

  private static ReformerModel model(Backend backend, Dialect dialect) {
    ReformerConfig config = TestModels.small(2).dialect(dialect).build();
    return ReformerModel.create(config, backend, 1);
  }

  /** Keys are normalised, so scaled logits are those of scaled weights; gradients follow. */
  @ParameterizedTest
  @MethodSource("backends")
  void logitScaleIsAFactorOfTheQueryKeyWeights(String name) {
    Batch batch = TestModels.batch(1, 120, 1);
    Dialect scaled = Dialect.HUGGING_FACE.with(LogitScale.HEAD_SIZE);
    try (Backend backend = TestBackends.open(name);
        ReformerModel unit = model(backend, Dialect.HUGGING_FACE);
        ReformerModel other = model(backend, scaled)) {
      int size = unit.config().attentionHeadSize();
      float factor = (float) (1 / Math.sqrt(size));
      for (Parameter parameter : unit.parameters().all()) {
        if (parameter.name().endsWith(QUERY_KEY)) {
          // Large, so that the epsilon of the keys' norm is lost beside them.
          float[] values = backend.download(parameter.value());
          scale(values, 30f);
          backend.upload(other.parameters().find(parameter.name()).value(), values);
          scale(values, factor);
          backend.upload(parameter.value(), values);
        }
      }
      unit.enableTraining();
      other.enableTraining();
      double expected = unit.lossAndGradients(batch, CallOptions.EVALUATION, 1f);
      assertEquals(expected, other.lossAndGradients(batch, CallOptions.EVALUATION, 1f), 2e-6);
      for (Parameter parameter : unit.parameters().all()) {
        float[] gradient = backend.download(parameter.gradient());
        if (parameter.name().endsWith(QUERY_KEY)) {
          scale(gradient, factor);
        }
        double largest = 0;
        for (float value : gradient) {
          largest = Math.max(largest, Math.abs(value));
        }
        float[] actual = backend.download(other.parameters().find(parameter.name()).gradient());
        for (int i = 0; i < gradient.length; i++) {
          assertEquals(gradient[i], actual[i], 1e-4 * largest, parameter.name() + " " + i);
        }
      }
      try (DecodeCache first = unit.decodeCache(CallOptions.EVALUATION);
          DecodeCache second = other.decodeCache(CallOptions.EVALUATION)) {
        first.prompt(batch);
        second.prompt(batch);
        float[] logits = first.append(3);
        float[] same = second.append(3);
        for (int i = 0; i < logits.length; i++) {
          assertEquals(logits[i], same[i], 1e-4, "decoding " + i);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void otherChoicesReachTheLayers(String name) {
    Batch batch = TestModels.batch(1, 128, 1);
    for (Dialect dialect : List.of(Dialect.HUGGING_FACE, Dialect.TRAX, Dialect.LUCIDRAINS)) {
      ReformerConfig config = TestModels.small(2).numBuckets(List.of()).dialect(dialect).build();
      int[] seen = new int[1];
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = ReformerModel.create(config, backend, 1)) {
        model.logits(
            batch,
            CallOptions.EVALUATION.withTrace(
                new Trace() {
                  @Override
                  public void buckets(int layer, Tensor buckets, HashSpec hash) {
                    seen[0]++;
                    assertEquals(config.bucketFactors(128), hash.factors());
                    assertTrue(Arrays.stream(backend.downloadInts(buckets)).anyMatch(b -> b > 0));
                  }
                }));
      }
      assertFalse(seen[0] == 0, "nobody hashed");
    }
  }

  private static void scale(float[] values, float factor) {
    for (int i = 0; i < values.length; i++) {
      values[i] *= factor;
    }
  }
}
