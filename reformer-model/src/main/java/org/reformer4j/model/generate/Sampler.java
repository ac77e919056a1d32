package org.reformer4j.model.generate;

import java.util.Arrays;
import java.util.Objects;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;

/**
 * Chooses the next token from logits as Hugging Face's processors do, in their order: repetition
 * penalty, temperature, top-k, top-p, then one draw. The choice is a function of the arguments and
 * the options alone: equal seeds give equal texts. Used by one thread at a time.
 */
public final class Sampler {
  private final SamplingOptions options;
  private final Philox.Stream stream;

  // Scratch, V each.
  private float[] scores = {};
  private double[] weights = {};
  private long[] order = {};

  /**
   * Makes a sampler.
   *
   * @param options how to choose
   */
  public Sampler(SamplingOptions options) {
    this.options = Objects.requireNonNull(options, "options");
    this.stream = new Philox.Stream(options.seed(), 0, 0, RandomPurpose.SAMPLING);
  }

  /** Returns how this sampler chooses. */
  public SamplingOptions options() {
    return options;
  }

  /**
   * Chooses a token.
   *
   * @param logits [V], not changed; negative infinity bars a token
   * @param contextIds the ids so far, of which the first {@code contextLength} count; read only if
   *     there is a repetition penalty
   * @param contextLength number of ids so far
   * @param position number of the draw, from 0: give each token of a text another one, such as its
   *     position
   * @return id in 0..V-1; of equally probable ones greedy choice takes the lowest
   * @throws IllegalArgumentException if a logit is NaN or positive infinity, if every token is
   *     barred, or if an argument is out of range
   */
  public int next(float[] logits, int[] contextIds, int contextLength, long position) {
    if (logits.length == 0) {
      throw new IllegalArgumentException("logits [V] must not be empty");
    }
    if (position < 0) {
      throw new IllegalArgumentException("position must not be negative, got " + position);
    }
    if (contextLength < 0 || contextLength > contextIds.length) {
      throw new IllegalArgumentException(
          "contextLength must be in 0.." + contextIds.length + ", got " + contextLength);
    }
    if (scores.length != logits.length) {
      scores = new float[logits.length];
      weights = new double[logits.length];
      order = new long[logits.length];
    }
    System.arraycopy(logits, 0, scores, 0, logits.length);
    penalize(logits, contextIds, contextLength);
    int best = best(position);
    return options.greedy() ? best : draw(best, position);
  }

  private void penalize(float[] logits, int[] contextIds, int contextLength) {
    float penalty = (float) options.repetitionPenalty();
    if (penalty == 1f) {
      return;
    }
    for (int i = 0; i < contextLength; i++) {
      int id = contextIds[i];
      if (id < 0 || id >= logits.length) {
        throw new IllegalArgumentException(
            "contextIds[" + i + "] must be in 0.." + (logits.length - 1) + ", got " + id);
      }
      // From the logit, not from the score: a token that occurs twice is penalized once.
      scores[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
  }

  private int best(long position) {
    int best = 0;
    for (int id = 0; id < scores.length; id++) {
      if (Float.isNaN(scores[id]) || scores[id] == Float.POSITIVE_INFINITY) {
        throw new IllegalArgumentException(
            "the logit of token "
                + id
                + " at position "
                + position
                + " is "
                + scores[id]
                + ": the model's parameters are not finite or overflow; check the checkpoint, or"
                + " use a higher precision");
      }
      if (scores[id] > scores[best]) {
        best = id;
      }
    }
    if (scores[best] == Float.NEGATIVE_INFINITY) {
      throw new IllegalArgumentException(
          "every logit at position "
              + position
              + " is negative infinity: at least one token must be allowed");
    }
    return best;
  }

  private int draw(int best, long position) {
    float least = leastOfTopK();
    double total = 0;
    for (int id = 0; id < scores.length; id++) {
      double above = scores[id] - (double) scores[best];
      weights[id] = scores[id] >= least ? StrictMath.exp(above / options.temperature()) : 0;
      total += weights[id];
    }
    if (options.topP() < 1) {
      total = keepTopP(total);
    }
    double left = stream.uniform(position) * total;
    int chosen = best;
    for (int id = 0; id < weights.length; id++) {
      if (weights[id] > 0) {
        // Rounding may leave a rest behind the last token; then the last one is meant.
        chosen = id;
        left -= weights[id];
        if (left < 0) {
          break;
        }
      }
    }
    return chosen;
  }

  /** Returns the k-th largest score; as in Hugging Face, all tokens that equal it stay. */
  private float leastOfTopK() {
    if (options.topK() == 0 || options.topK() >= scores.length) {
      return Float.NEGATIVE_INFINITY;
    }
    sortDescending();
    return scores[id(order[options.topK() - 1])];
  }

  /** Clears the weights behind the smallest set with enough mass; returns the mass that is left. */
  private double keepTopP(double total) {
    sortDescending();
    double kept = 0;
    int count = 0;
    while (count < order.length && (count == 0 || kept < options.topP() * total)) {
      kept += weights[id(order[count++])];
    }
    for (int i = count; i < order.length; i++) {
      weights[id(order[i])] = 0;
    }
    return kept;
  }

  /** Sorts ids by falling score, equal ones by rising id, as packed (score, id) keys. */
  private void sortDescending() {
    for (int id = 0; id < scores.length; id++) {
      // Adding 0 makes -0 a 0; flipping the lower bits of negative floats orders all as integers.
      int bits = Float.floatToIntBits(scores[id] + 0f);
      int rising = bits ^ ((bits >> 31) & 0x7FFFFFFF);
      order[id] = (long) ~rising << 32 | id;
    }
    Arrays.sort(order);
  }

  private static int id(long key) {
    return (int) key;
  }
}
