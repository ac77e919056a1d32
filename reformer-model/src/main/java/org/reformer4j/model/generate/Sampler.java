package org.reformer4j.model.generate;

import java.util.List;
import java.util.Objects;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;

/**
 * Chooses the next token from logits as Hugging Face's processors do, in their order: penalties of
 * repetition, temperature, top-k, top-p, min-p, typical-p, then one draw. The choice is a function
 * of the arguments and the options alone: equal seeds give equal texts. Used by one thread at a
 * time.
 */
public final class Sampler {
  /** What {@link #choose} returns where every token is barred. */
  static final int NONE = -1;

  private final SamplingOptions options;
  private final List<LogitsProcessor> processors;
  private final List<LogitsProcessor> limits;
  private final Philox.Stream stream;
  private float[] scores = {};

  /**
   * Makes a sampler.
   *
   * @param options how to choose
   */
  public Sampler(SamplingOptions options) {
    this(options, options.penalties(), 0);
  }

  /**
   * Makes a sampler for one of several texts.
   *
   * @param processors what changes the logits before temperature and limits
   * @param sequence which text: each has its own stream of random numbers, however many there are
   */
  Sampler(SamplingOptions options, List<LogitsProcessor> processors, int sequence) {
    this.options = Objects.requireNonNull(options, "options");
    this.processors = processors;
    this.limits = options.greedy() ? List.of() : options.limits();
    this.stream = new Philox.Stream(options.seed(), sequence, 0, RandomPurpose.SAMPLING);
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
   *     there is a penalty of repetition
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
    int id = choose(logits, TokenHistory.view(contextIds, contextLength), position);
    if (id == NONE) {
      throw new IllegalArgumentException(
          "every logit at position "
              + position
              + " is negative infinity: at least one token must be allowed");
    }
    return id;
  }

  /** Chooses a token, or none where every one is barred. */
  int choose(float[] logits, TokenHistory context, long position) {
    if (scores.length != logits.length) {
      scores = new float[logits.length];
    }
    System.arraycopy(logits, 0, scores, 0, logits.length);
    process(scores, context, processors, position);
    for (LogitsProcessor limit : limits) {
      limit.process(scores, context);
    }
    int best = best();
    if (scores[best] == LogitsProcessor.BARRED) {
      return NONE;
    }
    return options.greedy() ? best : draw(best, position);
  }

  /**
   * Runs processors on logits.
   *
   * @throws IllegalArgumentException if a number before or after is NaN or positive infinity
   */
  static void process(
      float[] logits, TokenHistory context, List<LogitsProcessor> processors, long position) {
    requireNumbers(
        logits,
        position,
        "the model's parameters are not finite or overflow; check the checkpoint, or use a higher"
            + " precision");
    for (LogitsProcessor processor : processors) {
      processor.process(logits, context);
    }
    if (!processors.isEmpty()) {
      requireNumbers(logits, position, "a logits processor made it so; correct the processor");
    }
  }

  private static void requireNumbers(float[] logits, long position, String reason) {
    for (int id = 0; id < logits.length; id++) {
      if (Float.isNaN(logits[id]) || logits[id] == Float.POSITIVE_INFINITY) {
        throw new IllegalArgumentException(
            "the logit of token "
                + id
                + " at position "
                + position
                + " is "
                + logits[id]
                + ": "
                + reason);
      }
    }
  }

  private int best() {
    int best = 0;
    for (int id = 1; id < scores.length; id++) {
      if (scores[id] > scores[best]) {
        best = id;
      }
    }
    return best;
  }

  private int draw(int best, long position) {
    double[] weights = Limits.weights(scores);
    double left = stream.uniform(position) * Limits.sum(weights);
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
}
