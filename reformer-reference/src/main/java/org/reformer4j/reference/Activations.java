package org.reformer4j.reference;

import org.reformer4j.api.Activation;

/** Values and slopes of the activations, in double. */
final class Activations {
  private static final double ROOT_HALF = Math.sqrt(0.5);
  private static final double ROOT_TWO_OVER_PI = Math.sqrt(2 / Math.PI);
  private static final double CUBE = 0.044715;

  private Activations() {}

  static float value(Activation activation, float u) {
    return switch (activation) {
      case RELU -> Math.max(u, 0f);
      case GELU -> (float) (0.5 * u * (1 + Erf.of(u * ROOT_HALF)));
      case GELU_NEW -> (float) (0.5 * u * (1 + Math.tanh(inner(u))));
      case SILU -> (float) (u * sigmoid(u));
      case TANH -> (float) Math.tanh(u);
    };
  }

  static float slope(Activation activation, float u) {
    return switch (activation) {
      case RELU -> u > 0f ? 1f : 0f;
      case GELU -> {
        double z = u * ROOT_HALF;
        yield (float) (0.5 * (1 + Erf.of(z)) + 0.5 * z * Erf.slope(z));
      }
      case GELU_NEW -> {
        double t = Math.tanh(inner(u));
        double slope = ROOT_TWO_OVER_PI * (1 + 3 * CUBE * (double) u * u);
        yield (float) (0.5 * (1 + t) + 0.5 * u * (1 - t * t) * slope);
      }
      case SILU -> {
        double s = sigmoid(u);
        yield (float) (s + u * s * (1 - s));
      }
      case TANH -> {
        double t = Math.tanh(u);
        yield (float) (1 - t * t);
      }
    };
  }

  private static double inner(double u) {
    return ROOT_TWO_OVER_PI * (u + CUBE * u * u * u);
  }

  private static double sigmoid(double u) {
    return 1 / (1 + Math.exp(-u));
  }
}
