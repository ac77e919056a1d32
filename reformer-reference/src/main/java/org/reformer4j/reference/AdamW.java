package org.reformer4j.reference;

import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TrainingArguments;

/** m, v = moving means of g, g^2; w -= rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps). */
final class AdamW {
  private AdamW() {}

  static void run(
      Workers workers,
      Tensor parameter,
      Tensor gradient,
      Tensor first,
      Tensor second,
      AdamWSpec spec) {
    TrainingArguments.adamW(parameter, gradient, first, second);
    long n = parameter.elements();
    float[] w = flat(parameter).data;
    float[] g = flat(gradient).data;
    float[] m = flat(first).data;
    float[] v = flat(second).data;
    int w0 = flat(parameter).at(0);
    int g0 = flat(gradient).at(0);
    int m0 = flat(first).at(0);
    int v0 = flat(second).at(0);
    double correction = spec.rootCorrection();
    double rate = spec.rate();
    double keep = spec.keep();
    workers.forRange(
        (int) n,
        4096,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            double x = (double) g[g0 + i] * spec.gradientScale();
            double mean = m[m0 + i] + (x - m[m0 + i]) * (1 - spec.beta1());
            double square = v[v0 + i] + (x * x - v[v0 + i]) * (1 - spec.beta2());
            m[m0 + i] = (float) mean;
            v[v0 + i] = (float) square;
            double step = rate * mean / (Math.sqrt(square) / correction + spec.epsilon());
            w[w0 + i] = (float) (w[w0 + i] * keep - step);
          }
        });
  }

  static FloatRows flat(Tensor tensor) {
    return FloatRows.of(tensor.reshape(1, tensor.elements()));
  }
}
