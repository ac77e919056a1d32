package org.reformer4j.tests;

import java.util.Map;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.tests.KernelCases.Arg;
import org.reformer4j.tests.KernelCases.Case;

/** The operations as formulas in double, with the specs of {@link KernelCases}. */
final class KernelFormulas {
  private static final int WIDTH = 10;

  private KernelFormulas() {}

  /** Returns the output of a forward operation for inputs by name; integers come from the case. */
  static double[] forward(String op, String variant, Case c, Map<String, double[]> in) {
    return switch (op) {
      case "addBias" -> addBias(in.get("x"), in.get("bias"));
      case "layerNorm" -> layerNorm(in.get("x"), in.get("gain"), in.get("bias"));
      case "residual", "residualInverse" -> residual(in.get("acc"), in.get("y"), in.get("bias"));
      case "residualNorm" ->
          layerNorm(
              residual(in.get("acc"), in.get("y"), in.get("bias")),
              in.get("gain"),
              in.get("normBias"));
      case "embed" -> embed(ints(c, "ids"), ints(c, "positions"), in);
      case "feedForward" -> feedForward(Activation.valueOf(variant), in);
      case "crossEntropy" -> crossEntropy(in.get("logits"), ints(c, "targets"));
      default -> throw new IllegalArgumentException(op);
    };
  }

  private static int[] ints(Case c, String name) {
    for (Arg arg : c.args()) {
      if (arg.name().equals(name)) {
        return (int[]) arg.values();
      }
    }
    throw new IllegalArgumentException(name);
  }

  private static double[] addBias(double[] x, double[] bias) {
    double[] out = x.clone();
    for (int i = 0; i < out.length; i++) {
      out[i] += bias[i % bias.length];
    }
    return out;
  }

  private static double[] layerNorm(double[] x, double[] gain, double[] bias) {
    double[] out = new double[x.length];
    for (int row = 0; row < x.length; row += WIDTH) {
      double mean = 0;
      for (int j = 0; j < WIDTH; j++) {
        mean += x[row + j] / WIDTH;
      }
      double variance = 0;
      for (int j = 0; j < WIDTH; j++) {
        variance += (x[row + j] - mean) * (x[row + j] - mean) / WIDTH;
      }
      for (int j = 0; j < WIDTH; j++) {
        out[row + j] = (x[row + j] - mean) / Math.sqrt(variance + 1e-5f) * gain[j] + bias[j];
      }
    }
    return out;
  }

  private static double factor(Dropout dropout, long element) {
    float[] one = new float[1];
    dropout.factors(one, 0, 1, element);
    return one[0];
  }

  private static double[] residual(double[] acc, double[] y, double[] bias) {
    Dropout dropout = KernelCases.mask(RandomPurpose.ATTENTION_OUTPUT);
    double[] out = acc.clone();
    for (int i = 0; i < out.length; i++) {
      out[i] -= factor(dropout, 3 * WIDTH + i) * (y[i] + bias[i % WIDTH]);
    }
    return out;
  }

  private static double[] embed(int[] ids, int[] positions, Map<String, double[]> in) {
    double[] out = new double[ids.length * WIDTH];
    Axis last = KernelCases.EMBEDDING.axes().get(1);
    for (int i = 0; i < ids.length; i++) {
      // Whoever shares the index on the last axis loses the whole position vector.
      long column = (long) (i / 37) * last.size() + positions[i] % last.size();
      double kept = factor(KernelCases.mask(RandomPurpose.POSITION_EMBEDDING), column);
      for (int j = 0; j < WIDTH; j++) {
        double position =
            j < 4
                ? in.get("table 0")[positions[i] / 8 * 4 + j]
                : in.get("table 1")[positions[i] % 8 * 6 + j - 4];
        double token = in.get("tokens")[ids[i] * WIDTH + j];
        double keptToken =
            factor(KernelCases.mask(RandomPurpose.TOKEN_EMBEDDING), (long) i * WIDTH + j);
        out[i * WIDTH + j] = keptToken * token + kept * position;
      }
    }
    return out;
  }

  private static double[] feedForward(Activation activation, Map<String, double[]> in) {
    double[] x = in.get("x");
    double[] b1 = in.get("b1");
    int inner = b1.length;
    Dropout dropout = KernelCases.spec(activation).dropout();
    double[] out = new double[x.length];
    for (int i = 0; i < x.length / WIDTH; i++) {
      for (int f = 0; f < inner; f++) {
        double u = b1[f];
        for (int j = 0; j < WIDTH; j++) {
          u += x[i * WIDTH + j] * in.get("w1")[f * WIDTH + j];
        }
        double a = activate(activation, u * factor(dropout, (2L + i) * inner + f));
        for (int j = 0; j < WIDTH; j++) {
          out[i * WIDTH + j] += a * in.get("w2")[j * inner + f];
        }
      }
    }
    return out;
  }

  private static double activate(Activation activation, double u) {
    return switch (activation) {
      case RELU -> Math.max(u, 0);
      case GELU -> u * normalDistribution(u);
      case GELU_NEW ->
          0.5 * u * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u * u * u)));
      case SILU -> u / (1 + Math.exp(-u));
      case TANH -> Math.tanh(u);
    };
  }

  /** Returns Phi(x) by its series x + x^3/3 + x^5/15 + ... (Marsaglia 2004). */
  private static double normalDistribution(double x) {
    if (Math.abs(x) > 8) {
      return x > 0 ? 1 : 0;
    }
    double sum = x;
    double term = x;
    for (int i = 3; sum + term != sum; i += 2) {
      term *= x * x / i;
      sum += term;
    }
    return 0.5 + sum * Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  }

  private static double[] crossEntropy(double[] logits, int[] targets) {
    double[] loss = new double[targets.length];
    int columns = logits.length / targets.length;
    for (int i = 0; i < targets.length; i++) {
      double sum = 0;
      for (int j = 0; j < columns; j++) {
        sum += Math.exp(logits[i * columns + j]);
      }
      // Target 3 is the one that is ignored.
      loss[i] = targets[i] == 3 ? 0 : Math.log(sum) - logits[i * columns + targets[i]];
    }
    return loss;
  }
}
