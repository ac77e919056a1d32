package org.reformer4j.model.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.StreamingDecoder;
import org.reformer4j.model.text.Tokenizer;

/**
 * Continues texts: all at once, or piece by piece to a callback, as a {@link Stream} or as a {@link
 * Flow.Publisher}. Equal seeds give equal texts, and each of several texts is the same however many
 * are asked for. Without a tokenizer there are tokens only: no text and no stop strings.
 *
 * <p>Pieces are those of one text as it is chosen. Tokens come at once, those of a stop string
 * among them. Text comes without half characters, and what may become a stop string is held back
 * until it is known not to: no part of one ever comes. Whoever stops taking pieces stops the
 * computing.
 *
 * <p>A model belongs to one thread at a time; so does a generator with it.
 */
public final class Generator {
  private final Supplier<? extends Decoder> decoders;

  /** Tokens of the prompt that decide how the text behind them is decoded; more than enough. */
  private static final int PROMPT_END = 64;

  private final Supplier<StreamingDecoder> texts;
  private final boolean hasTokenizer;

  /**
   * Makes a generator with a cache, or without where the model's {@code use_cache} is false.
   *
   * @param model a causal language model, which stays open longer than the generator is used
   */
  public Generator(ReformerModel model) {
    this(decoders(model));
  }

  /**
   * Makes a generator of texts.
   *
   * @param model a causal language model, which stays open longer than the generator is used
   * @param tokenizer of the model
   */
  public Generator(ReformerModel model, Tokenizer tokenizer) {
    this(decoders(model), tokenizer);
  }

  /**
   * Makes a generator.
   *
   * @param decoders gives a decoder with an empty sequence for each prompt
   */
  public Generator(Supplier<? extends Decoder> decoders) {
    this(decoders, () -> StopScanner.NO_TEXT, false);
  }

  /**
   * Makes a generator of texts.
   *
   * @param decoders gives a decoder with an empty sequence for each prompt
   * @param tokenizer of the model
   */
  public Generator(Supplier<? extends Decoder> decoders, Tokenizer tokenizer) {
    this(decoders, tokenizer::streaming, true);
  }

  private Generator(
      Supplier<? extends Decoder> decoders,
      Supplier<StreamingDecoder> texts,
      boolean hasTokenizer) {
    this.decoders = Objects.requireNonNull(decoders, "decoders");
    this.texts = texts;
    this.hasTokenizer = hasTokenizer;
  }

  private static Supplier<Decoder> decoders(ReformerModel model) {
    return () ->
        model.config().useCache()
            ? new CachedDecoder(model, CallOptions.EVALUATION)
            : new RecomputingDecoder(model, CallOptions.EVALUATION);
  }

  /**
   * Continues a text.
   *
   * @param prompt at least one token; computed once, however many texts follow
   * @param options how
   * @return {@code numReturnSequences} texts, drawn ones in their order, those of beam search best
   *     first; of beam search fewer where it finds fewer
   * @throws IllegalArgumentException if the prompt is empty or longer than the model's positions,
   *     or if there are stop strings but no tokenizer
   */
  public List<Generation> generate(int[] prompt, GenerationOptions options) {
    check(prompt, options);
    if (options.beams().numBeams() > 1) {
      Decoder decoder = open(prompt);
      int room = Continuation.room(decoder, prompt.length, options);
      return new BeamSearch(options, () -> scanner(prompt, options), room).run(decoder, prompt);
    }
    List<Generation> results = new ArrayList<>();
    try (Decoder base = open(prompt)) {
      int room = Continuation.room(base, prompt.length, options);
      float[] first = room == 0 ? new float[0] : base.append(prompt);
      for (int i = 0; i < options.numReturnSequences(); i++) {
        // The last text has the prompt's own decoder: there is no other one left to need it.
        Decoder decoder = i + 1 < options.numReturnSequences() ? base.fork() : base;
        try (Continuation continuation =
            new Continuation(decoder, () -> first, prompt, options, scanner(prompt, options), i)) {
          while (!continuation.ended()) {
            continuation.advance();
          }
          results.add(continuation.result());
        }
      }
    }
    return List.copyOf(results);
  }

  /**
   * Continues a text, token by token.
   *
   * @param prompt at least one token
   * @param options how; for one text without beams
   * @param onToken called with every token as soon as it is chosen; what it throws ends the work
   * @throws IllegalArgumentException as {@link #generate(int[], GenerationOptions)}, and if the
   *     options are for several texts
   */
  public Generation generate(int[] prompt, GenerationOptions options, IntConsumer onToken) {
    return run(prompt, options, Generator::token, onToken::accept);
  }

  /**
   * Continues a text, and gives it out piece by piece; the pieces, joined, are the result's text.
   *
   * @param prompt at least one token
   * @param options how; for one text without beams
   * @param onText called with every piece as soon as it is certain; what it throws ends the work
   * @throws IllegalArgumentException as {@link #generate(int[], GenerationOptions, IntConsumer)}
   * @throws IllegalStateException if there is no tokenizer
   */
  public Generation generateText(int[] prompt, GenerationOptions options, Consumer<String> onText) {
    requireTokenizer();
    return run(prompt, options, Generator::text, onText);
  }

  private <T> Generation run(
      int[] prompt,
      GenerationOptions options,
      Function<Continuation, Optional<T>> piece,
      Consumer<T> onPiece) {
    checkSingle(prompt, options);
    try (Continuation continuation = start(prompt, options)) {
      while (!continuation.ended()) {
        continuation.advance();
        piece.apply(continuation).ifPresent(onPiece);
      }
      return continuation.result();
    }
  }

  /**
   * Returns the tokens of a text as a lazy stream: each is computed when it is asked for. Memory is
   * freed at the end of the text, or by closing the stream: where it may be left before, use it in
   * a try statement.
   *
   * @param prompt at least one token
   * @param options how; for one text without beams
   * @throws IllegalArgumentException as {@link #generate(int[], GenerationOptions, IntConsumer)};
   *     if the prompt is too long, when the first token is asked for
   */
  public Stream<Integer> tokenStream(int[] prompt, GenerationOptions options) {
    return pieces(prompt, options, Generator::token).get().stream();
  }

  /**
   * Returns a text piece by piece as a lazy stream, closed like that of {@link #tokenStream}.
   *
   * @param prompt at least one token
   * @param options how; for one text without beams
   * @throws IllegalArgumentException as {@link #tokenStream}
   * @throws IllegalStateException if there is no tokenizer
   */
  public Stream<String> textStream(int[] prompt, GenerationOptions options) {
    requireTokenizer();
    return pieces(prompt, options, Generator::text).get().stream();
  }

  /**
   * Returns a publisher of the tokens of a text: each is computed when it is requested. Each
   * subscriber starts the text anew; cancelling stops the work and frees its memory. An error of
   * the model or the executor is signalled.
   *
   * @param prompt at least one token
   * @param options how; for one text without beams
   * @param executor runs the model and all signals. A model belongs to one thread at a time, so
   *     give one of a single thread, and use the model there alone
   * @throws IllegalArgumentException as {@link #tokenStream}, but that a long prompt is signalled
   */
  public Flow.Publisher<Integer> tokenPublisher(
      int[] prompt, GenerationOptions options, Executor executor) {
    return new PiecesPublisher<>(pieces(prompt, options, Generator::token), executor);
  }

  /**
   * Returns a publisher of a text piece by piece, like {@link #tokenPublisher}.
   *
   * @param prompt at least one token
   * @param options how; for one text without beams
   * @param executor runs the model and all signals
   * @throws IllegalArgumentException as {@link #tokenPublisher}
   * @throws IllegalStateException if there is no tokenizer
   */
  public Flow.Publisher<String> textPublisher(
      int[] prompt, GenerationOptions options, Executor executor) {
    requireTokenizer();
    return new PiecesPublisher<>(pieces(prompt, options, Generator::text), executor);
  }

  private <T> Supplier<Pieces<T>> pieces(
      int[] prompt, GenerationOptions options, Function<Continuation, Optional<T>> piece) {
    checkSingle(prompt, options);
    int[] copy = prompt.clone();
    return () -> new Pieces<>(() -> start(copy, options), piece);
  }

  private static Optional<Integer> token(Continuation continuation) {
    int token = continuation.token();
    return token == Continuation.NO_TOKEN ? Optional.empty() : Optional.of(token);
  }

  private static Optional<String> text(Continuation continuation) {
    return Optional.of(continuation.piece()).filter(piece -> !piece.isEmpty());
  }

  private Continuation start(int[] prompt, GenerationOptions options) {
    Decoder decoder = open(prompt);
    return new Continuation(
        decoder, () -> decoder.append(prompt), prompt, options, scanner(prompt, options), 0);
  }

  /** The text goes on where the prompt ends: within a character, or after a word's space. */
  private StopScanner scanner(int[] prompt, GenerationOptions options) {
    StreamingDecoder decoder = texts.get();
    for (int i = Math.max(0, prompt.length - PROMPT_END); i < prompt.length; i++) {
      decoder.append(prompt[i]);
    }
    return new StopScanner(decoder, options.stopStrings());
  }

  private Decoder open(int[] prompt) {
    Decoder decoder = decoders.get();
    if (prompt.length > decoder.maxLength()) {
      int positions = decoder.maxLength();
      decoder.close();
      throw new IllegalArgumentException(
          "the prompt has "
              + prompt.length
              + " tokens, the model "
              + positions
              + " positions: shorten the prompt");
    }
    return decoder;
  }

  private void check(int[] prompt, GenerationOptions options) {
    if (prompt.length == 0) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
    if (!options.stopStrings().isEmpty() && !hasTokenizer) {
      throw new IllegalArgumentException(
          "stopStrings need a tokenizer: new Generator(model, tokenizer)");
    }
  }

  private void checkSingle(int[] prompt, GenerationOptions options) {
    check(prompt, options);
    if (options.beams().numBeams() > 1 || options.numReturnSequences() > 1) {
      throw new IllegalArgumentException(
          "one text comes piece by piece, without beams; numBeams is "
              + options.beams().numBeams()
              + " and numReturnSequences "
              + options.numReturnSequences()
              + ": call generate(prompt, options)");
    }
  }

  private void requireTokenizer() {
    if (!hasTokenizer) {
      throw new IllegalStateException("text needs a tokenizer: new Generator(model, tokenizer)");
    }
  }
}
