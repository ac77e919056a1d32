package org.reformer4j.model;

import java.util.Arrays;
import java.util.List;
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

  /** Which prompt of the family each sequence began with. */
  private int[] origins;

  /** How many tokens of it each sequence has. */
  private int[] prompts;

  private int[] lengths;

  /** Tokens of each sequence in the present step. */
  private int[] added;

  /** Scratch of the layers, one after the other. */
  private int[] table = {};

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
      int[] all = batch.lengths();
      PromptRecorder recorder = passes.recorder(begun.scope(), all);
      float[] logits = passes.prompt(batch, recorder);
      layers = recorder.layers();
      origins = all(all.length);
      prompts = all;
      lengths = all.clone();
      added = new int[all.length];
      family = begun;
      return logits;
    } finally {
      if (family == null) {
        begun.leave();
      }
    }
  }

  private static int[] all(int count) {
    int[] all = new int[count];
    Arrays.setAll(all, i -> i);
    return all;
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
    check(tokens);
    float[] logits = new float[Math.multiplyExact(tokens.length, config.vocabSize())];
    int[] before = lengths.clone();
    int share = Math.max(1, STEP_ROWS / tokens.length);
    boolean done = false;
    try {
      int longest = Arrays.stream(tokens).mapToInt(row -> row.length).max().orElseThrow();
      for (int from = 0; from < longest; from += share) {
        for (int b = 0; b < tokens.length; b++) {
          added[b] = Math.min(share, Math.max(0, tokens[b].length - from));
        }
        steps.step(tokens, from, logits, family.scope());
        for (int b = 0; b < tokens.length; b++) {
          lengths[b] += added[b];
        }
      }
      done = true;
      return logits;
    } finally {
      if (!done) {
        steps.settle();
        // Some layers may have listed some tokens.
        truncate(before);
      }
    }
  }

  private void check(int[][] tokens) {
    if (tokens.length != lengths.length) {
      throw new IllegalArgumentException(
          "tokens must have one entry for each of the "
              + lengths.length
              + " sequences, got "
              + tokens.length);
    }
    for (int b = 0; b < tokens.length; b++) {
      if (tokens[b].length == 0) {
        throw new IllegalArgumentException("sequence " + b + " gets no token: give at least one");
      }
      for (int token : tokens[b]) {
        if (token < 0 || token >= config.vocabSize()) {
          throw new IllegalArgumentException(
              "token id "
                  + token
                  + " of sequence "
                  + b
                  + " is outside the vocabulary 0.."
                  + (config.vocabSize() - 1));
        }
      }
      int room = config.maxPositions() - position(b, lengths[b]);
      if (tokens[b].length > room) {
        throw new IllegalArgumentException(
            "sequence "
                + b
                + " has room for "
                + room
                + " more tokens, got "
                + tokens[b].length
                + ": the model has "
                + config.maxPositions()
                + " positions");
      }
    }
  }

  /** Returns the model's position of a token, whether it is there or not yet. */
  int position(int b, int token) {
    return token < prompts[b]
        ? family.position(origins[b], token)
        : family.position(origins[b], prompts[b] - 1) + 1 + token - prompts[b];
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
    if (kept.length != lengths.length) {
      throw new IllegalArgumentException(
          "kept must have one entry for each of the "
              + lengths.length
              + " sequences, got "
              + kept.length);
    }
    for (int b = 0; b < kept.length; b++) {
      if (kept[b] < 1 || kept[b] > lengths[b]) {
        throw new IllegalArgumentException(
            "sequence " + b + " can go back to 1.." + lengths[b] + " tokens, got " + kept[b]);
      }
    }
    steps.settle();
    layers = PromptWindows.restore(passes, family.prompts(), layers, origins, kept);
    truncate(kept);
  }

  private void truncate(int[] kept) {
    for (int b = 0; b < kept.length; b++) {
      for (LayerCache layer : layers) {
        layer.rows().truncate(b, kept[b]);
        if (layer.hashed() != null) {
          layer.hashed().truncate(b, kept[b], prompts[b]);
        }
      }
      lengths[b] = kept[b];
      prompts[b] = Math.min(prompts[b], kept[b]);
    }
  }

  /**
   * Returns a cache in the same state that goes its own way; closing one leaves the other. Nothing
   * is copied: who first writes behind common tokens takes a copy of one block of rows per layer.
   */
  public DecodeCache fork() {
    return fork(all(batch()));
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
    fork.origins = Arrays.stream(sequences).map(b -> origins[b]).toArray();
    fork.prompts = Arrays.stream(sequences).map(b -> prompts[b]).toArray();
    fork.lengths = Arrays.stream(sequences).map(b -> lengths[b]).toArray();
    fork.added = new int[sequences.length];
    fork.family = family;
    family.join();
    return fork;
  }

  /** Returns B, the number of sequences; 0 before the prompt. */
  public int batch() {
    return lengths == null ? 0 : lengths.length;
  }

  /**
   * Returns the number of tokens of a sequence.
   *
   * @param b which sequence
   */
  public int length(int b) {
    return lengths[b];
  }

  /** Returns the bytes of device memory that this cache and its forks hold together. */
  public long liveBytes() {
    return family == null ? 0 : family.scope().liveBytes();
  }

  /** Returns the number of tokens of each sequence, without those that are being appended. */
  int[] lengths() {
    return lengths;
  }

  /** Returns the number of tokens of each sequence that are being appended. */
  int[] added() {
    return added;
  }

  int added(int b) {
    return added[b];
  }

  /** Returns N, the tokens that are being appended. */
  int addedTokens() {
    int sum = 0;
    for (int count : added) {
      sum += count;
    }
    return sum;
  }

  /** Returns room for so many rows that new tokens see, of unspecified content; one at a time. */
  int[] table(int length) {
    if (table.length != length) {
      table = new int[length];
    }
    return table;
  }

  /** Returns the tokens that every sequence has still room for. */
  int room() {
    int room = config.maxPositions();
    for (int b = 0; b < lengths.length; b++) {
      room = Math.min(room, config.maxPositions() - position(b, lengths[b]));
    }
    return room;
  }

  /** Returns the number of layers. */
  int layers() {
    return layers.size();
  }

  /** Returns what a layer remembers. */
  LayerCache layer(int layer) {
    return layers.get(layer);
  }

  /** Returns whether an attention mask hides a position. */
  boolean masked(int b, int position) {
    return position < prompts[b] && family.masked(origins[b], position);
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
      lengths = null;
    }
  }

  /** Gives back what only this cache holds. Idempotent. */
  @Override
  public void close() {
    forget();
    closed = true;
  }
}
