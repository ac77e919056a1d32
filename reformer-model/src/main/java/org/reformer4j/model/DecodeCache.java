package org.reformer4j.model;

import java.util.Arrays;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.PromptRecorder.LayerCache;

/**
 * Decoding of some sequences token by token, without computing the tokens so far again. Made by
 * {@link ReformerModel#decodeCache}.
 *
 * <p>Numbers follow Hugging Face's rule for cached decoding: a new token of an LSH layer attends to
 * the chunks around its place among the tokens sorted by bucket. That is not what a forward pass
 * over the longer text gives, where later tokens move the chunks; in models of local layers alone
 * it is the same. Each sequence gives the numbers that it gives alone, all steps hash with the
 * prompt's rotations, and tokens of an attention mask are not attended to.
 *
 * <p>A step costs the same whatever the length, but for copies when the room doubles. Holds its
 * memory until closed; used by the thread that uses the model's backend.
 */
public final class DecodeCache implements AutoCloseable {
  private final ReformerConfig config;
  private final ReformerModel model;
  private final Embeddings embeddings;
  private final ReversibleStack stack;
  private final LmHead head;
  private final CallOptions options;
  private final Backend backend;
  private final TensorScope scope;
  private List<LayerCache> layers;
  private boolean[][] masked;
  private int[] prompts;
  private int[] lengths;
  private int[] nextPositions;

  DecodeCache(
      ReformerModel model,
      Embeddings embeddings,
      ReversibleStack stack,
      LmHead head,
      CallOptions options) {
    this.model = model;
    this.config = model.config();
    this.embeddings = embeddings;
    this.stack = stack;
    this.head = head;
    this.options = options;
    this.backend = model.backend();
    this.scope = backend.scope("decode-cache");
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
    if (layers != null) {
      throw new IllegalStateException(
          "this cache has its prompt: append tokens to it, or open another one");
    }
    TensorScope rows = scope.child("layers");
    try {
      PromptRecorder recorder = new PromptRecorder(config, backend, rows, options, batch.lengths());
      float[] logits = model.nextTokenLogits(batch, options.withTrace(recorder));
      layers = recorder.layers();
      prompts = batch.lengths();
      lengths = batch.lengths();
      masked = masks(batch);
      nextPositions = new int[lengths.length];
      int[] positions = batch.positionsOrDefault();
      Arrays.setAll(nextPositions, b -> positions[b * batch.length() + lengths[b] - 1] + 1);
      return logits;
    } finally {
      if (layers == null) {
        rows.close();
      }
    }
  }

  private static boolean[][] masks(Batch batch) {
    int[] mask = batch.attentionMaskOrNull();
    int[] lengths = batch.lengths();
    boolean[][] masks = new boolean[lengths.length][];
    for (int b = 0; b < masks.length; b++) {
      masks[b] = new boolean[lengths[b]];
      for (int t = 0; t < lengths[b] && mask != null; t++) {
        masks[b][t] = mask[b * batch.length() + t] == 0;
      }
    }
    return masks;
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
    requirePrompt();
    check(tokens);
    boolean done = false;
    try (TensorScope step = backend.scope("decode-step")) {
      Pass pass = pass(step);
      Tensor streams = step.allocate(DType.F32, tokens.length, 2L * config.hiddenSize());
      Tensor x1 = streams.columns(0, config.hiddenSize());
      Tensor x2 = streams.columns(config.hiddenSize(), config.hiddenSize());
      Tensor ids = step.allocate(DType.I32, tokens.length, 1);
      Tensor positions = step.allocate(DType.I32, tokens.length, 1);
      backend.upload(ids, tokens);
      backend.upload(positions, nextPositions);
      embeddings.forward(x1, ids, positions, pass);
      backend.copy(x2, x1);
      stack.decode(x1, x2, this, pass);
      Tensor logits = step.allocate(DType.F32, tokens.length, config.vocabSize());
      head.logits(logits, streams, pass);
      float[] result = backend.download(logits);
      for (int b = 0; b < lengths.length; b++) {
        lengths[b]++;
        nextPositions[b]++;
      }
      done = true;
      return result;
    } finally {
      if (!done) {
        // Some layers may have listed the token.
        truncate();
      }
    }
  }

  private Pass pass(TensorScope step) {
    Tensor headMask = null;
    if (options.headMask() != null) {
      headMask = step.allocate(DType.F32, config.numAttentionHeads());
      backend.upload(headMask, options.headMask());
    }
    return new Pass(
        backend,
        step,
        model.precision().activations(),
        Sequences.full(lengths.length, 1),
        null,
        headMask,
        // Layers hash as they did with the prompt and do not ask the pass.
        new HashSpec(options.numHashes().orElse(config.numHashes()), List.of(2)),
        Passes.rotations(config, options),
        false,
        options.seed(),
        options.step(),
        MemoryPlan.NOTHING,
        Pass.Pieces.DEFAULT,
        Trace.NONE);
  }

  private void check(int[] tokens) {
    if (tokens.length != lengths.length) {
      throw new IllegalArgumentException(
          "tokens must have one entry for each of the "
              + lengths.length
              + " sequences, got "
              + tokens.length);
    }
    for (int b = 0; b < tokens.length; b++) {
      if (tokens[b] < 0 || tokens[b] >= config.vocabSize()) {
        throw new IllegalArgumentException(
            "token id "
                + tokens[b]
                + " of sequence "
                + b
                + " is outside the vocabulary 0.."
                + (config.vocabSize() - 1));
      }
      if (nextPositions[b] >= config.maxPositions()) {
        throw new IllegalArgumentException(
            "sequence " + b + " has used the model's " + config.maxPositions() + " positions");
      }
    }
  }

  /**
   * Goes back to an earlier state, from which the same tokens give the same bits again.
   *
   * @param appended tokens to keep of each sequence after its prompt, at most {@link #appended}.
   *     Prompts stay: their rows depend on all of them
   */
  public void rewind(int appended) {
    requirePrompt();
    if (appended < 0 || appended > appended()) {
      throw new IllegalArgumentException(
          "can go back to 0.." + appended() + " tokens after the prompt, got " + appended);
    }
    int back = appended() - appended;
    for (int b = 0; b < lengths.length; b++) {
      lengths[b] -= back;
      nextPositions[b] -= back;
    }
    truncate();
  }

  private void truncate() {
    for (LayerCache layer : layers) {
      for (int b = 0; layer.hashed() != null && b < lengths.length; b++) {
        layer.hashed().truncate(b, lengths[b], prompts[b]);
      }
    }
  }

  /**
   * Returns a cache in the same state that goes its own way, with rows and lists copied: it takes
   * the same memory again, and closing one leaves the other.
   */
  public DecodeCache fork() {
    DecodeCache fork = new DecodeCache(model, embeddings, stack, head, options);
    if (layers == null) {
      return fork;
    }
    boolean done = false;
    try {
      TensorScope rows = fork.scope.child("layers");
      fork.layers = layers.stream().map(layer -> layer.copy(backend, rows, lengths)).toList();
      fork.masked = masked;
      fork.prompts = prompts;
      fork.lengths = lengths.clone();
      fork.nextPositions = nextPositions.clone();
      done = true;
      return fork;
    } finally {
      if (!done) {
        fork.close();
      }
    }
  }

  /** Returns B, the number of sequences; 0 before the prompt. */
  public int batch() {
    return lengths == null ? 0 : lengths.length;
  }

  /** Returns the tokens of each sequence after its prompt. */
  public int appended() {
    return lengths == null ? 0 : lengths[0] - prompts[0];
  }

  /**
   * Returns the number of tokens of a sequence.
   *
   * @param b which sequence
   */
  public int length(int b) {
    return lengths[b];
  }

  /** Returns the bytes of device memory that are held. */
  public long liveBytes() {
    return scope.liveBytes();
  }

  /** Returns the number of tokens of each sequence, without the one that is being appended. */
  int[] lengths() {
    return lengths;
  }

  /** Returns what a layer remembers. */
  LayerCache layer(int layer) {
    return layers.get(layer);
  }

  /** Returns whether an attention mask hides a position. */
  boolean masked(int b, int position) {
    return position < masked[b].length && masked[b][position];
  }

  private void requirePrompt() {
    if (layers == null) {
      throw new IllegalStateException("this cache has no prompt: call prompt first");
    }
  }

  /** Frees what the cache holds. */
  @Override
  public void close() {
    scope.close();
  }
}
