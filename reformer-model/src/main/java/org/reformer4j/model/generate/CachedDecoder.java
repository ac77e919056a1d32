package org.reformer4j.model.generate;

import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.ReformerModel;

/**
 * Computes only the new tokens and remembers the others. LSH layers attend by Hugging Face's rule
 * for cached decoding, so that the logits are not quite those of {@link RecomputingDecoder}.
 */
public final class CachedDecoder implements Decoder {
  private final ReformerModel model;
  private final DecodeCache cache;

  /**
   * Makes a decoder with an empty sequence.
   *
   * @param model a causal language model
   * @param options rotations and hash rounds, the same in every step
   * @throws IllegalArgumentException if the model is not causal
   */
  public CachedDecoder(ReformerModel model, CallOptions options) {
    this(model, model.decodeCache(options));
  }

  private CachedDecoder(ReformerModel model, DecodeCache cache) {
    this.model = model;
    this.cache = cache;
  }

  /** The first tokens are the prompt; several later ones are the same as one after the other. */
  @Override
  public float[] append(int... tokens) {
    if (tokens.length == 0 || tokens.length > maxLength() - length()) {
      throw new IllegalArgumentException(
          "cannot append "
              + tokens.length
              + " tokens to "
              + length()
              + ": the model has "
              + maxLength()
              + " positions and at least one token is needed");
    }
    if (cache.batch() == 0) {
      return cache.prompt(Batch.of(tokens, tokens.length));
    }
    return cache.append(new int[][] {tokens});
  }

  /**
   * Returns a decoder in the same state that goes its own way. Common tokens are held once; closing
   * one leaves the other.
   */
  @Override
  public CachedDecoder fork() {
    return new CachedDecoder(model, cache.fork());
  }

  /**
   * Goes back to the first tokens of the sequence; see {@link DecodeCache#rewind}.
   *
   * @param length how many; 0 for an empty sequence, whose next tokens are a prompt, not more than
   *     there are
   */
  public void rewind(int length) {
    if (length == 0) {
      cache.clear();
    } else if (length < 0 || length > length()) {
      throw new IllegalArgumentException(
          "can go back to 0.." + length() + " tokens, got " + length);
    } else {
      cache.rewind(length);
    }
  }

  @Override
  public int length() {
    return cache.batch() == 0 ? 0 : cache.length(0);
  }

  @Override
  public int maxLength() {
    return model.config().maxPositions();
  }

  @Override
  public void close() {
    cache.close();
  }
}
