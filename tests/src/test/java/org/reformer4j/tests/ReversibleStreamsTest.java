package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

/** Reversible layers are another function than layers of one residual stream. */
class ReversibleStreamsTest {
  static List<String> backends() {
    return TestBackends.names();
  }

  /**
   * With x the embeddings, a reversible layer gives y1 = x + F(x) and y2 = x + G(y1); an ordinary
   * one would give y1 + G(y1), which differs from y2 by F(x).
   */
  @ParameterizedTest
  @MethodSource("backends")
  void streamsStartEqualAndTheFirstLayerIsNoOrdinaryOne(String name) {
    List<float[]> first = new ArrayList<>();
    List<float[]> second = new ArrayList<>();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(TestModels.small(2).build(), backend, 1)) {
      Trace trace =
          new Trace() {
            @Override
            public void layerInput(int layer, Tensor x1, Tensor x2) {
              first.add(backend.download(x1));
              second.add(backend.download(x2));
            }
          };
      model.logits(TestModels.batch(1, 40, 1), CallOptions.EVALUATION.withTrace(trace));
    }
    assertEquals(3, first.size(), "before, between and after two layers");
    float[] x = first.get(0);
    assertArrayEquals(x, second.get(0), "both streams start as the embeddings");
    float[] y1 = first.get(1);
    float[] y2 = second.get(1);
    double attention = 0;
    double size = 0;
    for (int i = 0; i < x.length; i++) {
      double g = (double) y2[i] - x[i];
      double ordinary = y1[i] + g;
      double f = (double) y1[i] - x[i];
      attention += f * f;
      size += ordinary * ordinary;
    }
    double share = Math.sqrt(attention / size);
    System.out.printf(
        "ReversibleStreamsTest: %s: the first layer's second stream is %.0f %% of an ordinary"
            + " layer's result away from it%n",
        name, 100 * share);
    assertTrue(share > 0.1, "" + share);
  }
}
