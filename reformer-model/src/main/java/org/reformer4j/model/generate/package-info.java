/**
 * Generation of text: greedy choice, sampling, beam search, and streaming.
 *
 * <pre>{@code
 * Generator generator = new Generator(model, tokenizer);
 * int[] prompt = tokenizer.encode("It was");
 *
 * // One text, as it comes.
 * SamplingOptions sampling = SamplingOptions.UNCHANGED.withTemperature(0.8).withTopP(0.9).withSeed(1);
 * GenerationOptions options = GenerationOptions.of(200, sampling).withStopStrings("\n\n");
 * generator.generateText(prompt, options, System.out::print);
 *
 * // Four texts; the prompt is computed once.
 * List<Generation> drawn = generator.generate(prompt, options.withNumReturnSequences(4));
 *
 * // The best of five beams.
 * GenerationOptions beams =
 *     GenerationOptions.of(50, SamplingOptions.GREEDY.withNoRepeatNgramSize(3))
 *         .withBeams(BeamOptions.of(5).withLengthPenalty(0.8));
 * Generation best = generator.generate(prompt, beams).get(0);
 *
 * // Until a sentence ends; closing the stream frees the cache.
 * try (Stream<String> pieces = generator.textStream(prompt, options)) {
 *   pieces.takeWhile(piece -> !piece.equals(".")).forEach(System.out::print);
 * }
 * }</pre>
 *
 * <p>Names, meaning and order of all that changes logits are those of Hugging Face's {@code
 * GenerationConfig} and {@code GenerationMixin._get_logits_processor}: penalty of repetition,
 * repeated sequences, least length, {@linkplain
 * org.reformer4j.model.generate.GenerationOptions#withProcessors one's own}, and, where a token is
 * drawn, temperature, top-k, top-p, min-p, typical-p. Differences: random numbers are not torch's;
 * equal logits are ordered by token; a stop string must lie in the added text, and the text ends
 * before it; where processors bar every token, the text ends.
 *
 * <p>One beam is greedy choice, token for token. In beam search processors get log-probabilities
 * instead of logits, as in Hugging Face: a penalty of repetition is another one there.
 *
 * <p>Nullness: no parameter or result is ever null. Ownership: arrays passed in stay the caller's
 * and are never changed; decoders that a generator opens it closes. Threading: options and the
 * processors of {@link org.reformer4j.model.generate.LogitsProcessor} may be shared; a {@link
 * org.reformer4j.model.generate.Sampler} has scratch memory and is used by one thread at a time,
 * decoders and generators by the thread that uses the model.
 */
package org.reformer4j.model.generate;
