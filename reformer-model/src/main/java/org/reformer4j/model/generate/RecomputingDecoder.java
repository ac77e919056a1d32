package org.reformer4j.model.generate;

import java.util.Arrays;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;

/** Runs the whole sequence through the model for every token: the plain truth, and slow. */
public final class RecomputingDecoder implements Decoder {
  private final ReformerModel model;
  private final CallOptions options;
  private int[] tokens = new int[64];
  private int length;

  /**
   * Makes a decoder with an empty sequence.
   *
   * @param model a causal language model
   * @param options rotations and hash rounds, the same in every step
   * @throws IllegalArgumentException if the model is not causal
   */
  public RecomputingDecoder(ReformerModel model, CallOptions options) {
    if (!model.config().isDecoder() || !model.hasLmHead()) {
      throw new IllegalArgumentException(
          "generation needs a causal language model: is_decoder must be true and lm_head present");
    }
    this.model = model;
    this.options = options;
  }

  @Override
  public float[] append(int... next) {
    if (next.length == 0 || next.length > maxLength() - length) {
      throw new IllegalArgumentException(
          "cannot append "
              + next.length
              + " tokens to "
              + length
              + ": the model has "
              + maxLength()
              + " positions and at least one token is needed");
    }
    if (length + next.length > tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(length + next.length, 2 * tokens.length));
    }
    System.arraycopy(next, 0, tokens, length, next.length);
    length += next.length;
    return model.nextTokenLogits(Batch.of(Arrays.copyOf(tokens, length)), options);
  }

  @Override
  public RecomputingDecoder fork() {
    RecomputingDecoder fork = new RecomputingDecoder(model, options);
    fork.tokens = tokens.clone();
    fork.length = length;
    return fork;
  }

  @Override
  public int length() {
    return length;
  }

  @Override
  public int maxLength() {
    return model.config().maxPositions();
  }

  @Override
  public void close() {
    length = 0;
  }
}
