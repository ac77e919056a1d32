package org.reformer4j.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.reformer4j.model.PromptRecorder.LayerCache;

/**
 * Decoding of some sequences token by token, without computing the tokens so far again. Made by
 * {@link ReformerModel#decodeCache}.
 *
 * <p>With {@link org.reformer4j.api.LshSelection#CAUSAL}, and in models of local layers alone, the
 * numbers are those of a forward pass over the longer text: the same bits on the reference backend,
 * to rounding on others. Otherwise they follow Hugging Face's rule for cached decoding: a new token
 * of an LSH layer attends to the chunks around its place among the tokens sorted by bucket, while
 * in a forward pass later tokens move the chunks. Each sequence gives the numbers that it gives
 * alone, all steps hash with the prompt's rotations, and tokens of an attention mask are not
 * attended to.
 *
 * <p>A step costs the same whatever the length, but for copies when the room grows. A cache and its
 * forks share what they have in common and the memory, which the last of them frees when it is
 * closed. Used by the thread that uses the model's backend.
 */
public final class DecodeCache implements AutoCloseable {
  /**
   * New tokens that go through the layers together; bounds the scratch of a long {@link #append}.
   */
  private static final int STEP_ROWS = 512;

  private final DecodePasses passes;
  private final ReformerConfig config;

  /** Null before the prompt. */
  private CacheFamily family;

  private List<LayerCache> layers;

  private CachedTexts texts;
  private final DecodeSteps steps;

  private boolean closed;

  DecodeCache(DecodePasses passes) {
    this.passes = passes;
    this.steps = new DecodeSteps(passes, this);
    this.config = passes.config();
  }

  /**
   * Runs the model over the prompts, as {@link ReformerModel#nextTokenLogits} does, and remembers
   * them.
   *
   * @param batch the prompts, of any lengths, with an attention mask or not
   * @return [B, V], row-major: logits of the tokens after them
   * @throws IllegalStateException if there is a prompt already
   */
  public float[] prompt(Batch batch) {
    requireOpen();
    if (family != null) {
      throw new IllegalStateException(
          "this cache has its prompt: append tokens to it, or open another one");
    }
    CacheFamily begun = new CacheFamily(passes.backend(), batch);
    try {
      PromptRecorder recorder = passes.recorder(begun.scope(), batch.lengths());
      float[] logits = passes.prompt(batch, recorder);
      layers = recorder.layers();
      texts = CachedTexts.of(begun, batch.lengths());
      family = begun;
      return logits;
    } finally {
      if (family == null) {
        begun.leave();
      }
    }
  }

  /**
   * Appends one token to each sequence.
   *
   * @param tokens [B]
   * @return [B, V], row-major: logits of the tokens after them
   * @throws IllegalArgumentException if there is another number of tokens than of sequences, if one
   *     is not of the vocabulary, or if a sequence would exceed the model's positions
   */
  public float[] append(int... tokens) {
    int[][] rows = new int[tokens.length][1];
    for (int b = 0; b < tokens.length; b++) {
      rows[b][0] = tokens[b];
    }
    return append(rows);
  }

  /**
   * Appends tokens to each sequence, many of them at a time through each layer: the same as one
   * after the other, on the reference and cpu backends to the bit.
   *
   * @param tokens [B], at least one of each sequence, not as many of each
   * @return [B, V], row-major: logits of the tokens after them
   * @throws IllegalArgumentException as {@link #append(int...)}; nothing has been appended
   */
  public float[] append(int[][] tokens) {
    requirePrompt();
    texts.check(tokens, config);
    float[] logits = new float[Math.multiplyExact(tokens.length, config.vocabSize())];
    int[] before = texts.lengths().clone();
    int share = Math.max(1, STEP_ROWS / tokens.length);
    boolean done = false;
    try {
      int longest = Arrays.stream(tokens).mapToInt(row -> row.length).max().orElseThrow();
      for (int from = 0; from < longest; from += share) {
        texts.add(tokens, from, share);
        steps.step(tokens, from, logits, family.scope());
        texts.addDone();
      }
      done = true;
      return logits;
    } finally {
      if (!done) {
        // Some layers may have listed some tokens, and rows that were claimed are given back.
        steps.spoil();
        truncate(before);
      }
    }
  }

  /**
   * Goes back to the first tokens of the sequences, without copying anything.
   *
   * <p>Behind its prompt a sequence is again what it was: the same tokens give the same bits.
   * Within the prompt it is as if the prompt ended there, with the rows and buckets that its tokens
   * have: those of LSH layers were computed with what came after them. Where local layers have left
   * out what the next token sees, the pass over the prompts is done again.
   *
   * @param kept [B], tokens to keep of each sequence, 1..{@link #length}
   */
  public void rewind(int... kept) {
    requirePrompt();
    if (kept.length != batch()) {
      throw new IllegalArgumentException(
          "kept must have one entry for each of the " + batch() + " sequences, got " + kept.length);
    }
    for (int b = 0; b < kept.length; b++) {
      if (kept[b] < 1 || kept[b] > length(b)) {
        throw new IllegalArgumentException(
            "sequence " + b + " can go back to 1.." + length(b) + " tokens, got " + kept[b]);
      }
    }
    steps.settle();
    layers = PromptWindows.restore(passes, family.prompts(), layers, texts.origins(), kept);
    truncate(kept);
  }

  private void truncate(int[] kept) {
    for (int b = 0; b < kept.length; b++) {
      for (LayerCache layer : layers) {
        layer.rows().truncate(b, kept[b]);
        if (layer.hashed() != null) {
          layer.hashed().truncate(b, kept[b], texts.prompt(b));
        }
      }
      texts.truncate(b, kept[b]);
    }
  }

  /**
   * Returns a cache in the same state that goes its own way; closing one leaves the other. Nothing
   * is copied: who first writes behind common tokens takes a copy of one block of rows per layer.
   */
  public DecodeCache fork() {
    return fork(IntStream.range(0, batch()).toArray());
  }

  /**
   * Returns a cache of some of the sequences, as {@link #fork()} does.
   *
   * @param sequences which; one may be there more than once, as in a beam search
   */
  public DecodeCache fork(int... sequences) {
    requireOpen();
    DecodeCache fork = new DecodeCache(passes);
    if (family == null && sequences.length == 0) {
      return fork;
    }
    requirePrompt();
    if (sequences.length == 0 || Arrays.stream(sequences).anyMatch(b -> b < 0 || b >= batch())) {
      throw new IllegalArgumentException(
          "sequences must be some of 0.." + (batch() - 1) + ", got " + Arrays.toString(sequences));
    }
    steps.settle();
    fork.layers = layers.stream().map(layer -> layer.fork(sequences)).toList();
    fork.texts = texts.fork(sequences);
    fork.family = family;
    fork.steps.learnFrom(steps);
    family.join();
    return fork;
  }

  /** Returns B, the number of sequences; 0 before the prompt. */
  public int batch() {
    return texts == null ? 0 : texts.batch();
  }

  /**
   * Returns the number of tokens of a sequence.
   *
   * @param b which sequence
   */
  public int length(int b) {
    return texts.length(b);
  }

  /**
   * Returns the bytes of device memory that this cache and its forks hold together, without what
   * recorded steps need between their operations.
   */
  public long liveBytes() {
    return family == null ? 0 : family.scope().liveBytes();
  }

  /** Returns which tokens there are. */
  CachedTexts texts() {
    return texts;
  }

  /** Returns the number of layers. */
  int layers() {
    return layers.size();
  }

  /** Returns what a layer remembers. */
  LayerCache layer(int layer) {
    return layers.get(layer);
  }

  private void requirePrompt() {
    requireOpen();
    if (family == null) {
      throw new IllegalStateException("this cache has no prompt: call prompt first");
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this cache is closed: open another one");
    }
  }

  /** Forgets all tokens, the prompts included, so that the cache is like a new one. */
  public void clear() {
    requireOpen();
    forget();
  }

  private void forget() {
    if (family != null) {
      steps.forget();
      layers.forEach(layer -> layer.rows().release());
      family.leave();
      family = null;
      texts = null;
    }
  }

  /** Gives back what only this cache holds. Idempotent. */
  @Override
  public void close() {
    forget();
    closed = true;
  }
}
