package org.reformer4j.model.generate;

import java.util.function.Supplier;
import org.reformer4j.model.generate.Generation.StopReason;

/** One text that is being continued, token by token, as somebody asks for it. */
final class Continuation implements AutoCloseable {
  /** Stands for a step that added no token. */
  static final int NO_TOKEN = -1;

  private final Decoder decoder;
  private final Sampler sampler;
  private final GenerationOptions options;
  private final StopScanner scanner;
  private final TokenHistory context;
  private final int room;
  private Supplier<float[]> logits;
  private StopReason reason;
  private int token = NO_TOKEN;
  private String piece = "";
  private double logProbability;
  private int chosen;

  /**
   * Makes a continuation; computes nothing.
   *
   * @param decoder of this text alone; closed with this
   * @param logits gives those of the first token to add
   * @param sequence which of several texts
   */
  Continuation(
      Decoder decoder,
      Supplier<float[]> logits,
      int[] prompt,
      GenerationOptions options,
      StopScanner scanner,
      int sequence) {
    this.decoder = decoder;
    this.logits = logits;
    this.options = options;
    this.scanner = scanner;
    this.context = TokenHistory.of(prompt);
    this.room = room(decoder, prompt.length, options);
    this.sampler = new Sampler(options.sampling(), options.allProcessors(), sequence);
  }

  /** Returns how many tokens may be added. */
  static int room(Decoder decoder, int promptLength, GenerationOptions options) {
    return Math.min(options.maxNewTokens(), decoder.maxLength() - promptLength);
  }

  /** Returns why a text ends to which as many tokens have been added as there is room for. */
  static StopReason fullReason(int room, GenerationOptions options) {
    return room < options.maxNewTokens()
        ? StopReason.POSITIONS_EXHAUSTED
        : StopReason.MAX_NEW_TOKENS;
  }

  /** Takes a step; {@link #token} and {@link #piece} then say what has come of it. */
  void advance() {
    token = NO_TOKEN;
    piece = "";
    if (reason == null && context.addedLength() < room) {
      choose();
    }
    if (reason == null && context.addedLength() >= room) {
      end(fullReason(room, options));
    }
  }

  private void choose() {
    float[] next = logits.get();
    int id = sampler.choose(next, context, context.length());
    if (id == Sampler.NONE) {
      end(StopReason.ALL_TOKENS_BARRED);
      return;
    }
    logProbability += next[id] - Limits.logSumExp(next);
    chosen++;
    if (options.stopTokens().contains(id)) {
      end(StopReason.STOP_TOKEN);
      return;
    }
    token = id;
    context.add(id);
    piece = scanner.append(id);
    logits = () -> decoder.append(id);
    if (scanner.found()) {
      reason = StopReason.STOP_STRING;
    }
  }

  private void end(StopReason why) {
    piece += scanner.finish();
    reason = scanner.found() ? StopReason.STOP_STRING : why;
  }

  /** Returns whether the text has ended. */
  boolean ended() {
    return reason != null;
  }

  /** Returns the token that the last step added, or {@link #NO_TOKEN}. */
  int token() {
    return token;
  }

  /** Returns the text that the last step made certain, perhaps the empty string. */
  String piece() {
    return piece;
  }

  /** Returns the whole text after its end. */
  Generation result() {
    return new Generation(
        context.added(),
        scanner.text(),
        Generation.score(logProbability, chosen, options.beams().lengthPenalty()),
        reason);
  }

  @Override
  public void close() {
    decoder.close();
  }
}
