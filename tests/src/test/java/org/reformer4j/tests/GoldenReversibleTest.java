package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.RecordedRun;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;
import org.reformer4j.model.checkpoint.SafeTensors;

/** The streams of every layer, forward and rebuilt, and their gradients, against Hugging Face. */
class GoldenReversibleTest {
  static Stream<Arguments> models() {
    return TestBackends.with(
        Golden.cases("causal-lm", "base-model", "short-sequence-", "masked-lm"));
  }

  @AfterAll
  static void report() {
    System.out.println(Golden.summary("GoldenReversibleTest"));
  }

  /** Records what passes by, under the names of the golden files. */
  private static final class Recorder implements Trace {
    final Map<String, float[]> seen = new HashMap<>();
    private final Backend backend;

    Recorder(Backend backend) {
      this.backend = backend;
    }

    @Override
    public void layerInput(int layer, Tensor x1, Tensor x2) {
      put("layer_input." + layer, x1);
      // The golden files number the streams by the layer that they leave.
      put("forward." + (layer - 1) + ".attn_output", x1);
      put("forward." + (layer - 1) + ".hidden_states", x2);
    }

    @Override
    public void rebuilt(int layer, Tensor x1, Tensor x2, Tensor dX1, Tensor dX2) {
      put("backward." + layer + ".attn_output", x1);
      put("backward." + layer + ".hidden_states", x2);
      put("backward." + layer + ".grad_attn_output", dX1);
      put("backward." + layer + ".grad_hidden_states", dX2);
    }

    private void put(String name, Tensor tensor) {
      seen.put(name, backend.download(tensor));
    }
  }

  static List<String> backends() {
    return TestBackends.names();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyLayerAgreesForwardAndBackward(String backendName) {
    for (String name : Golden.cases("reversible")) {
      SafeTensors io = Golden.io(name);
      try (Backend backend = TestBackends.open(backendName);
          ReformerModel model = ReformerModel.load(Golden.root().resolve(name), backend)) {
        RecordedRun run = new RecordedRun(model, io);
        Recorder recorder = new Recorder(backend);
        model.enableTraining();
        model.lossAndGradients(run.batch(), run.options().withTrace(recorder), 1f);
        int compared = 0;
        for (String expected : io.names()) {
          if (!expected.startsWith("expected64.forward.")
              && !expected.startsWith("expected64.backward.")) {
            continue;
          }
          String what = expected.substring("expected64.".length());
          float[] actual = recorder.seen.get(what);
          if (what.contains("grad_")) {
            Golden.assertGradient(what, io.doubles(expected), actual);
          } else {
            Golden.assertClose(what, io.doubles(expected), actual, Tolerances.OUTPUT, null);
          }
          compared++;
        }
        assertEquals(6 * model.config().numHiddenLayers(), compared, "tensors compared");
        Golden.countCase();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void embeddingsAgree(String backendName, String name) {
    SafeTensors io = Golden.io(name);
    try (Backend backend = TestBackends.open(backendName);
        ReformerModel model = ReformerModel.load(Golden.root().resolve(name), backend)) {
      RecordedRun run = new RecordedRun(model, io);
      Recorder recorder = new Recorder(backend);
      model.lastHiddenState(run.batch(), run.options().withTrace(recorder));
      float[] actual = recorder.seen.get("layer_input.0");
      double[] padded = io.doubles("expected64.layer_input.0");
      int sequences = run.batch().size();
      int row = actual.length / sequences;
      assertTrue(padded.length >= actual.length, "the golden file holds the padded length");
      // Padding, which we never compute, lies behind each sequence.
      for (int b = 0; b < sequences; b++) {
        int from = b * (padded.length / sequences);
        Golden.assertClose(
            name + " layer_input.0",
            Arrays.copyOfRange(padded, from, from + row),
            Arrays.copyOfRange(actual, b * row, (b + 1) * row),
            Tolerances.OUTPUT,
            null);
      }
      Golden.countCase();
    }
  }
}
