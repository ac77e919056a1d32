package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** The passes of a model that a {@link DecodeCache} asks for: over prompts, and over new tokens. */
final class DecodePasses {
  private final ReformerModel model;
  private final ReformerConfig config;
  private final Encoder encoder;
  private final LmHead head;
  private final CallOptions options;
  private final Backend backend;

  DecodePasses(ReformerModel model, Encoder encoder, LmHead head, CallOptions options) {
    this.model = model;
    this.config = model.config();
    this.encoder = encoder;
    this.head = head;
    this.options = options;
    this.backend = model.backend();
  }

  ReformerConfig config() {
    return config;
  }

  Backend backend() {
    return backend;
  }

  /** Returns who records prompts of some lengths. */
  PromptRecorder recorder(TensorScope scope, int[] lengths) {
    return new PromptRecorder(config, backend, scope, options, lengths);
  }

  /** Returns the logits after prompts, [B, V], from a pass that is watched. */
  float[] prompt(Batch batch, Trace trace) {
    return model.nextTokenLogits(batch, options.withTrace(trace));
  }

  /**
   * Takes the tokens that a cache is adding through the layers.
   *
   * @param cache gets the new rows and buckets
   * @param tokens [B], of each sequence
   * @param from which of them come first
   * @param logits [B, V], receives those of the sequences whose last token is among them
   */
  void step(DecodeCache cache, int[][] tokens, int from, float[] logits) {
    CachedTexts texts = cache.texts();
    int count = texts.addedTokens();
    int[] ids = new int[count];
    int[] positions = new int[count];
    int[] ends = new int[count];
    int[] ended = new int[tokens.length];
    int ending = 0;
    int row = 0;
    for (int b = 0; b < tokens.length; b++) {
      int added = texts.added(b);
      for (int i = 0; i < added; i++) {
        ids[row] = tokens[b][from + i];
        positions[row++] = texts.position(b, texts.length(b) + i);
      }
      if (added > 0 && from + added == tokens[b].length) {
        ends[ending] = row - 1;
        ended[ending++] = b;
      }
    }
    try (TensorScope step = backend.scope("decode-step")) {
      Pass pass = pass(step, count);
      PastAttention past = new ListedAttention(config, cache);
      Tensor streams = streams(upload(ids, step), upload(positions, step), past, step, pass);
      if (ending == 0) {
        return;
      }
      Tensor last = ending == count ? streams : rows(streams, ends, ending, step);
      Tensor target = step.allocate(DType.F32, ending, config.vocabSize());
      logits(target, last, pass);
      float[] found = backend.download(target);
      int width = config.vocabSize();
      for (int i = 0; i < ending; i++) {
        System.arraycopy(found, i * width, logits, ended[i] * width, width);
      }
    }
  }

  /**
   * Returns both streams [N, 2D] of new tokens behind the last layer.
   *
   * @param ids I32 [N]
   * @param positions I32 [N], the model's
   * @param past what they attend to
   * @param scope holds the result
   */
  Tensor streams(Tensor ids, Tensor positions, PastAttention past, TensorScope scope, Pass pass) {
    DType type = config.residualArithmetic().streams();
    Tensor streams = scope.allocate(type, ids.elements(), 2L * config.hiddenSize());
    Tensor x1 = streams.columns(0, config.hiddenSize());
    Tensor x2 = streams.columns(config.hiddenSize(), config.hiddenSize());
    encoder.embed(x1, x2, ids, positions, pass);
    encoder.stack.decode(x1, x2, past, pass);
    return streams;
  }

  /**
   * Writes the logits of some rows of the streams.
   *
   * @param logits [n, V]
   * @param streams [n, 2D]
   */
  void logits(Tensor logits, Tensor streams, Pass pass) {
    head.logits(logits, streams, pass);
  }

  private Tensor upload(int[] values, TensorScope scope) {
    Tensor tensor = scope.allocate(DType.I32, values.length, 1);
    backend.upload(tensor, values);
    return tensor;
  }

  private Tensor rows(Tensor source, int[] rows, int count, TensorScope scope) {
    Tensor copy = scope.allocate(source.type(), count, source.columns());
    for (int i = 0; i < count; i++) {
      backend.copy(copy.rows(i, 1), source.rows(rows[i], 1));
    }
    return copy;
  }

  /** Returns the pass of a step of N tokens; its head mask is in the scope. */
  Pass pass(TensorScope step, int count) {
    Tensor headMask = null;
    if (options.headMask() != null) {
      headMask = step.allocate(DType.F32, config.numAttentionHeads());
      backend.upload(headMask, options.headMask());
    }
    return new Pass(
        backend,
        step,
        model.precision().activations(),
        Sequences.full(count, 1),
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
}
