package org.reformer4j.model.generate;

import java.util.Arrays;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.generate.Generation.StopReason;

/** Continues texts, token by token. Equal seeds give equal texts. */
public final class Generator {
  private final Supplier<Decoder> decoders;

  /**
   * Makes a generator with a cache, or without where the model's {@code use_cache} is false.
   *
   * @param model a causal language model, which stays open longer than the generator is used
   */
  public Generator(ReformerModel model) {
    this(
        () ->
            model.config().useCache()
                ? new CachedDecoder(model, CallOptions.EVALUATION)
                : new RecomputingDecoder(model, CallOptions.EVALUATION));
  }

  /**
   * Makes a generator.
   *
   * @param decoders gives a decoder with an empty sequence for each text
   */
  public Generator(Supplier<Decoder> decoders) {
    this.decoders = decoders;
  }

  /**
   * Continues a text.
   *
   * @param prompt at least one token
   * @param options how
   * @param onToken called with every token as soon as it is chosen
   * @throws IllegalArgumentException if the prompt is empty or longer than the model's positions
   */
  public Generation generate(int[] prompt, GenerationOptions options, IntConsumer onToken) {
    if (prompt.length == 0) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
    Sampler sampler = new Sampler(options.sampling());
    try (Decoder decoder = decoders.get()) {
      if (prompt.length > decoder.maxLength()) {
        throw new IllegalArgumentException(
            "the prompt has "
                + prompt.length
                + " tokens, the model "
                + decoder.maxLength()
                + " positions: shorten the prompt");
      }
      int room = Math.min(options.maxNewTokens(), decoder.maxLength() - prompt.length);
      int[] text = Arrays.copyOf(prompt, prompt.length + room);
      int length = prompt.length;
      StopReason reason =
          room < options.maxNewTokens()
              ? StopReason.POSITIONS_EXHAUSTED
              : StopReason.MAX_NEW_TOKENS;
      int[] pending = prompt;
      while (length < text.length) {
        int token = sampler.next(decoder.append(pending), text, length, length);
        if (options.stopTokens().contains(token)) {
          reason = StopReason.STOP_TOKEN;
          break;
        }
        text[length++] = token;
        onToken.accept(token);
        pending = new int[] {token};
      }
      return new Generation(Arrays.copyOfRange(text, prompt.length, length), reason);
    }
  }
}
