package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;

/** Every head against the reference backend, and with bfloat16 activations against float32. */
class HeadTypesTest {
  private static final CallOptions OPTIONS = CallOptions.training(3, 5);

  /**
   * What a pass gives.
   *
   * @param loss with dropout
   * @param gradients by parameter
   * @param outputs without dropout
   */
  private record Result(
      double loss, Map<String, float[]> gradients, Map<String, ModelOutput> outputs) {}

  private static Result run(
      HeadCases head, ReformerConfig config, Backend backend, Precision precision) {
    int[][] sequences = new int[5][];
    Arrays.setAll(sequences, b -> ids(9 + 5 * b, b));
    Batch batch = head.labelled(sequences, 0, 1, 2, 3, 4);
    try (backend;
        ReformerModel model = ReformerModel.create(config, head.task, backend, precision, 2)) {
      model.enableTraining();
      double loss = model.lossAndGradients(batch, OPTIONS, 1f);
      assertEquals(loss, model.loss(batch, OPTIONS), 1e-6 * loss, "the same loss both ways");
      Map<String, float[]> gradients = new LinkedHashMap<>();
      for (Parameter parameter : model.parameters().all()) {
        gradients.put(parameter.name(), backend.download(parameter.gradient()));
      }
      return new Result(loss, gradients, model.outputs(batch, CallOptions.EVALUATION));
    }
  }

  private static int[] ids(int length, int seed) {
    int[] ids = new int[length];
    for (int t = 0; t < length; t++) {
      ids[t] = (7 * t + t * t + 3 * seed) % 23;
    }
    return ids;
  }

  private static double[] doubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < doubles.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }

  static Stream<Arguments> heads() {
    return TestBackends.with(List.of(HeadCases.values()));
  }

  @ParameterizedTest
  @MethodSource("heads")
  void agreesWithTheReference(String name, HeadCases head) {
    ReformerConfig config = head.config(true);
    Result expected = run(head, config, TestBackends.reference(), Precision.FLOAT32);
    Result actual = run(head, config, TestBackends.open(name), Precision.FLOAT32);
    assertEquals(expected.loss, actual.loss, Tolerances.TRAINING * expected.loss);
    expected.gradients.forEach(
        (parameter, values) -> {
          if (parameter.equals("qa_outputs.bias")) {
            double[] zeros = new double[values.length];
            float[] gradient = actual.gradients.get(parameter);
            Golden.assertClose(parameter, zeros, gradient, Tolerances.ZERO_GRADIENT, null);
          } else {
            float[] gradient = actual.gradients.get(parameter);
            Golden.assertGradient(parameter, doubles(values), gradient, Tolerances.TWO_GRADIENTS);
          }
        });
    expected.outputs.forEach(
        (task, output) ->
            Golden.assertClose(
                task,
                doubles(output.values()),
                actual.outputs.get(task).values(),
                Tolerances.OUTPUT,
                null));
  }

  @ParameterizedTest
  @MethodSource("heads")
  void bfloat16IsCloseToFloat32(String name, HeadCases head) {
    try (Backend backend = TestBackends.open(name)) {
      if (!backend.activationTypes().contains(DType.BF16)) {
        IllegalArgumentException refused =
            assertThrows(IllegalArgumentException.class, () -> Precision.BFLOAT16.require(backend));
        assertTrue(refused.getMessage().contains("use precision float32"), refused.getMessage());
        return;
      }
    }
    // Local layers: rounding moves tokens to other buckets, which is another computation.
    ReformerConfig config =
        head.config(true).toBuilder()
            .attnLayers(List.of(AttentionKind.LOCAL, AttentionKind.LOCAL))
            .build();
    Result expected = run(head, config, TestBackends.open(name), Precision.FLOAT32);
    Result actual = run(head, config, TestBackends.open(name), Precision.BFLOAT16);
    double product = 0;
    double one = 0;
    double two = 0;
    for (Map.Entry<String, float[]> entry : expected.gradients.entrySet()) {
      float[] other = actual.gradients.get(entry.getKey());
      for (int i = 0; i < other.length; i++) {
        product += (double) entry.getValue()[i] * other[i];
        one += (double) entry.getValue()[i] * entry.getValue()[i];
        two += (double) other[i] * other[i];
      }
    }
    double cosine = product / Math.sqrt(one * two);
    double error = Math.abs(actual.loss / expected.loss - 1);
    System.out.printf(
        "HeadTypesTest: %s on %s in bfloat16, loss off by %.1e, gradient's cosine 1 - %.1e%n",
        head, name, error, 1 - cosine);
    assertTrue(error > 0 && error < Tolerances.HEAD_LOSS_BF16, "loss off by " + error);
    assertTrue(cosine > Tolerances.HEAD_GRADIENT_BF16, "cosine " + cosine);
  }
}
