package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.RecordedRun;
import org.reformer4j.model.RecordedRun.Output;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.SafeTensors;

/** Whole models against Hugging Face: logits, loss, hidden states, buckets, all gradients. */
class GoldenModelTest {
  private static final Set<String> OUTPUTS =
      Set.of(
          "expected64.logits",
          "expected64.start_logits",
          "expected64.end_logits",
          "expected64.last_hidden_state");

  /**
   * A softmax over positions does not change with what is added to all of them; the recorded
   * gradients are rounding of 1e-17.
   */
  private static final Set<String> ZERO_IN_ANSWERING =
      Set.of("grad.qa_outputs.bias", "grad.reformer.encoder.layer_norm.bias");

  static Stream<Arguments> cases() {
    return TestBackends.with(
        Golden.cases(
            "causal-lm",
            "base-model",
            "short-sequence-",
            "masked-lm",
            "reversible",
            "sequence-classification",
            "question-answering"));
  }

  @AfterAll
  static void report() {
    System.out.println(Golden.summary("GoldenModelTest"));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agrees(String backendName, String name) {
    SafeTensors io = Golden.io(name);
    try (Backend backend = TestBackends.open(backendName);
        ReformerModel model = ReformerModel.load(Golden.root().resolve(name), backend)) {
      boolean gradients = io.names().stream().anyMatch(n -> n.startsWith("grad64."));
      Map<String, Output> outputs = new RecordedRun(model, io).run(gradients);
      int[] positions = io.contains("compare.positions") ? io.ints("compare.positions") : null;
      int compared = 0;
      for (String expected : io.names()) {
        if (expected.startsWith("buckets.")) {
          assertNotNull(outputs.get(expected), expected);
          Golden.assertEqual(expected, io.longs(expected), outputs.get(expected).longs());
        } else if (expected.startsWith("grad64.")) {
          String parameter = "grad." + expected.substring("grad64.".length());
          assertNotNull(outputs.get(parameter), parameter);
          float[] actual = outputs.get(parameter).floats();
          if (name.equals("question-answering") && ZERO_IN_ANSWERING.contains(parameter)) {
            double[] zeros = new double[actual.length];
            Golden.assertClose(parameter, zeros, actual, Tolerances.ZERO_GRADIENT, null);
          } else {
            Golden.assertGradient(parameter, io.doubles(expected), actual);
          }
          compared++;
        } else if (OUTPUTS.contains(expected)) {
          Output actual = outputs.get(expected.substring("expected64.".length()));
          Golden.assertClose(
              expected, io.doubles(expected), actual.floats(), Tolerances.OUTPUT, positions);
          compared++;
        } else if (expected.equals("expected64.loss")) {
          double loss = io.doubles(expected)[0];
          float actual = outputs.get("loss").floats()[0];
          Golden.assertClose(
              expected, new double[] {loss}, new float[] {actual}, Tolerances.LOSS * loss, null);
          compared++;
        }
      }
      assertEquals(
          io.names().stream().filter(GoldenModelTest::isResult).count(), compared, "compared");
      Golden.countCase();
    }
  }

  private static boolean isResult(String name) {
    return name.startsWith("grad64.") || name.equals("expected64.loss") || OUTPUTS.contains(name);
  }
}
