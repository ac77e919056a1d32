package org.reformer4j.model.generate;

import java.util.Arrays;

/**
 * Which tokens may be drawn, by their probabilities. Sums are in double and in one order, on
 * StrictMath, so that the same tokens stay on every machine.
 */
final class Limits {
  private Limits() {}

  static void checkMass(String name, double mass) {
    if (!(mass > 0 && mass <= 1)) {
      throw new IllegalArgumentException(
          name
              + " must be in (0, 1], 1 for no limit, got "
              + mass
              + "; for the most probable token alone use temperature 0");
    }
  }

  static void checkShare(double share) {
    if (!(share >= 0 && share <= 1)) {
      throw new IllegalArgumentException("minP must be in [0, 1], 0 for no limit, got " + share);
    }
  }

  static void temperature(float[] logits, double temperature) {
    float most = max(logits);
    for (int id = 0; id < logits.length && most > LogitsProcessor.BARRED; id++) {
      logits[id] = (float) ((logits[id] - (double) most) / temperature);
    }
  }

  static void topK(float[] logits, int count) {
    if (count < logits.length) {
      float least = logits[id(falling(logits)[count - 1])];
      for (int id = 0; id < logits.length; id++) {
        bar(logits, id, logits[id] < least);
      }
    }
  }

  static void topP(float[] logits, double mass) {
    double[] weights = weights(logits);
    double enough = mass * sum(weights);
    long[] order = falling(logits);
    double kept = 0;
    for (int i = 0; i < order.length; i++) {
      int id = id(order[i]);
      bar(logits, id, i > 0 && !(kept < enough));
      kept += weights[id];
    }
  }

  static void minP(float[] logits, double share) {
    double[] weights = weights(logits);
    for (int id = 0; id < logits.length; id++) {
      // The largest weight is 1.
      bar(logits, id, weights[id] < share);
    }
  }

  static void typicalP(float[] logits, double mass) {
    double[] weights = weights(logits);
    double total = sum(weights);
    double most = max(logits);
    double entropy = 0;
    for (int id = 0; id < logits.length; id++) {
      if (weights[id] > 0) {
        entropy += weights[id] / total * information(logits[id], most, total);
      }
    }
    float[] nearness = new float[logits.length];
    for (int id = 0; id < logits.length; id++) {
      double away = Math.abs(information(logits[id], most, total) - entropy);
      nearness[id] = weights[id] > 0 ? (float) -away : LogitsProcessor.BARRED;
    }
    long[] order = falling(nearness);
    double kept = 0;
    int last = 0;
    for (int i = 0; i < order.length && kept < mass * total; i++) {
      last = id(order[i]);
      kept += weights[last];
    }
    for (int id = 0; id < logits.length; id++) {
      bar(logits, id, nearness[id] < nearness[last]);
    }
  }

  /** Returns minus the logarithm of a token's probability. */
  private static double information(double logit, double most, double total) {
    return StrictMath.log(total) - (logit - most);
  }

  private static void bar(float[] logits, int id, boolean barred) {
    if (barred) {
      logits[id] = LogitsProcessor.BARRED;
    }
  }

  /** Returns the probabilities as shares of the largest one; all 0 where every token is barred. */
  static double[] weights(float[] logits) {
    double[] weights = new double[logits.length];
    float most = max(logits);
    for (int id = 0; id < logits.length && most > LogitsProcessor.BARRED; id++) {
      weights[id] = StrictMath.exp(logits[id] - (double) most);
    }
    return weights;
  }

  static double sum(double[] weights) {
    double total = 0;
    for (double weight : weights) {
      total += weight;
    }
    return total;
  }

  /** Returns the logarithm of the sum of all exponentials: log-probability = logit - this. */
  static double logSumExp(float[] logits) {
    return max(logits) + StrictMath.log(sum(weights(logits)));
  }

  static float max(float[] logits) {
    float most = LogitsProcessor.BARRED;
    for (float logit : logits) {
      most = Math.max(most, logit);
    }
    return most;
  }

  /** Returns ids by falling value, equal ones by rising id, as packed (value, id) keys. */
  private static long[] falling(float[] values) {
    long[] order = new long[values.length];
    for (int id = 0; id < values.length; id++) {
      // Adding 0 makes -0 a 0; flipping the lower bits of negative floats orders all as integers.
      int bits = Float.floatToIntBits(values[id] + 0f);
      int rising = bits ^ ((bits >> 31) & 0x7FFFFFFF);
      order[id] = (long) ~rising << 32 | id;
    }
    Arrays.sort(order);
    return order;
  }

  private static int id(long key) {
    return (int) key;
  }
}
