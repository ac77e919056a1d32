package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.tests.KernelCases.Arg;
import org.reformer4j.tests.KernelCases.Case;

/**
 * Operations against their formulas in double, and gradients against central differences of the
 * formulas, which are exact to 1e-9.
 */
class KernelFormulaTest {
  private static final int DIRECTIONS = 4;
  private static final double STEP = 1e-6;

  /** What a backward operation differentiates: the gradients by the inputs they belong to. */
  private record Backward(String forward, String weights, double scale, List<String> inputs) {}

  private static final Map<String, Backward> BACKWARD =
      Map.of(
          "biasGradient", new Backward("addBias", "dX", 1, List.of("bias")),
          "layerNormBackward", new Backward("layerNorm", "dOut", 1, List.of("x", "gain", "bias")),
          // The gradient is that of +dropout(y + bias); the case subtracts.
          "residualBackward", new Backward("residual", "dAcc", -1, List.of("y", "bias")),
          "residualInverse", new Backward("residual", "dAcc", -1, List.of("y", "bias")),
          "embedBackward",
              new Backward("embed", "dOut", 1, List.of("tokens", "table 0", "table 1")),
          "feedForwardBackward",
              new Backward("feedForward", "dOut", 1, List.of("x", "w1", "b1", "w2")),
          "crossEntropy", new Backward("crossEntropy", null, 0.5, List.of("logits")));

  private static Stream<Arguments> cases(List<String> ops) {
    return TestBackends.names().stream()
        .flatMap(
            name ->
                KernelCases.all().stream()
                    .filter(c -> ops.contains(c.op()))
                    .map(c -> Arguments.of(name, c)));
  }

  static Stream<Arguments> forward() {
    return cases(
        List.of(
            "addBias",
            "layerNorm",
            "residual",
            "residualNorm",
            "residualInverse",
            "embed",
            "feedForward",
            "crossEntropy"));
  }

  static Stream<Arguments> backward() {
    return cases(List.copyOf(BACKWARD.keySet()));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("forward")
  void outputsAgree(String name, Case c) {
    Map<String, double[]> inputs = inputs(c);
    double[] expected = KernelFormulas.forward(c.op(), c.variant(), c, inputs);
    // The first parameter of every operation is its output.
    Arg output = c.args().get(0);
    int[] bits = KernelTableTest.run(name, c, 2, false, 5f).get(output.name());
    assertEquals(expected.length, bits.length);
    for (int i = 0; i < bits.length; i++) {
      assertEquals(
          expected[i],
          output.number(bits[i]),
          Tolerances.FORMULA * (1 + Math.abs(expected[i])),
          c + "[" + i + "]");
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("backward")
  void gradientsAreTheSlopes(String name, Case c) {
    Backward rule = BACKWARD.get(c.op());
    Map<String, int[]> results = KernelTableTest.run(name, c, 2, false, 0f);
    Map<String, double[]> inputs = inputs(c);
    Random random = new Random(23);
    for (String input : rule.inputs()) {
      String gradientName = "d" + input.substring(0, 1).toUpperCase() + input.substring(1);
      int[] bits = results.get(gradientName);
      double[] base = inputs.get(input);
      double size = 0;
      for (int bit : bits) {
        size += Math.pow(Float.intBitsToFloat(bit), 2);
      }
      assertTrue(size > 0, gradientName);
      for (int n = 0; n < DIRECTIONS; n++) {
        double[] up = base.clone();
        double[] down = base.clone();
        double expected = 0;
        for (int i = 0; i < base.length; i++) {
          double direction = random.nextGaussian();
          up[i] += STEP * direction;
          down[i] -= STEP * direction;
          expected += direction * Float.intBitsToFloat(bits[i]);
        }
        inputs.put(input, up);
        double high = weighted(rule, c, inputs);
        inputs.put(input, down);
        double low = weighted(rule, c, inputs);
        inputs.put(input, base);
        assertEquals(
            (high - low) / (2 * STEP),
            expected,
            Tolerances.SLOPE * Math.sqrt(size),
            gradientName + " direction " + n);
      }
    }
  }

  private static double weighted(Backward rule, Case c, Map<String, double[]> inputs) {
    double[] out = KernelFormulas.forward(rule.forward(), c.variant(), c, inputs);
    double[] weights = rule.weights() == null ? null : inputs.get(rule.weights());
    double sum = 0;
    for (int i = 0; i < out.length; i++) {
      sum += rule.scale() * out[i] * (weights == null ? 1 : weights[i]);
    }
    return sum;
  }

  /** Returns the float inputs; zeros for those that a linear operation's gradient does not need. */
  private static Map<String, double[]> inputs(Case c) {
    Map<String, double[]> inputs = new HashMap<>();
    for (Arg arg : c.args()) {
      if (arg.values() instanceof float[] values) {
        int[] bits = arg.bits();
        double[] wide = new double[values.length];
        Arrays.setAll(wide, i -> arg.number(bits[i]));
        inputs.put(arg.name(), wide);
      }
    }
    for (String name : List.of("acc", "y", "x")) {
      inputs.putIfAbsent(name, new double[740]);
    }
    inputs.putIfAbsent("bias", new double[10]);
    inputs.putIfAbsent("tokens", new double[60]);
    inputs.putIfAbsent("table 0", new double[20]);
    inputs.putIfAbsent("table 1", new double[48]);
    return inputs;
  }
}
