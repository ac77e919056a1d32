package org.reformer4j.model;

import java.nio.file.Path;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.checkpoint.WeightType;

/**
 * A Reformer with or without a language-model head: Hugging Face's ReformerModel,
 * ReformerModelWithLMHead and ReformerForMaskedLM.
 *
 * <p>Holds its parameters until closed. Used by the thread that uses its backend; the backend is
 * not closed with the model.
 */
public final class ReformerModel implements AutoCloseable {
  private final ReformerConfig config;
  private final Backend backend;
  private final Precision precision;
  private final TensorScope scope;
  private final ParameterSet parameters = new ParameterSet();
  private final Embeddings embeddings;
  private final ReversibleStack stack;
  private final FinalNorm norm;
  private final LmHead head;

  private ReformerModel(
      ReformerConfig config, Backend backend, Precision precision, boolean withHead) {
    precision.require(backend);
    this.config = config;
    this.backend = backend;
    this.precision = precision;
    this.embeddings = new Embeddings(config, "reformer.embeddings.", parameters);
    this.stack = ReversibleStack.of(config, "reformer.encoder.layers.", parameters);
    this.norm = new FinalNorm(config, "reformer.encoder.layer_norm.", parameters);
    this.head = withHead ? new LmHead(config, norm, parameters) : null;
    this.scope = backend.scope("model");
    parameters.allocate(scope, precision.activations());
  }

  /** Makes a language model with fresh parameters that computes in float32. */
  public static ReformerModel create(ReformerConfig config, Backend backend, long seed) {
    return create(config, backend, Precision.FLOAT32, seed);
  }

  /**
   * Makes a language model with fresh parameters.
   *
   * @param config its shape
   * @param backend where it lives; stays open longer than the model
   * @param precision in what it computes
   * @param seed equal seeds give equal parameters
   * @throws IllegalArgumentException if the backend does not compute with that precision
   */
  public static ReformerModel create(
      ReformerConfig config, Backend backend, Precision precision, long seed) {
    ReformerModel model = new ReformerModel(config, backend, precision, true);
    model.parameters.initialize(backend, seed);
    return model;
  }

  /** Loads a folder in Hugging Face's format, to compute in float32. */
  public static ReformerModel load(Path folder, Backend backend) {
    return load(folder, backend, Precision.FLOAT32);
  }

  /**
   * Loads a folder in Hugging Face's format: {@code config.json} and parameters.
   *
   * @param folder where the files are
   * @param backend where the model lives; stays open longer than the model
   * @param precision in what it computes; the files do not know it
   * @throws CheckpointException if the files are missing or damaged or do not fit the config; the
   *     message lists everything that is wrong
   * @throws IllegalArgumentException if the backend does not compute with that precision
   */
  public static ReformerModel load(Path folder, Backend backend, Precision precision) {
    ModelFolder files = ModelFolder.open(folder);
    ReformerModel model = new ReformerModel(files.config(), backend, precision, files.hasLmHead());
    try {
      files.loadInto(model.parameters, backend);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
    return model;
  }

  /**
   * Saves the model as Hugging Face does; a crash leaves either the old or the new file.
   *
   * @param folder made if it does not exist
   */
  public void save(Path folder) {
    ModelFolder.save(folder, config, parameters, backend);
  }

  /**
   * Saves the model as Hugging Face does, its parameters rounded to a type.
   *
   * @param folder made if it does not exist
   * @param type of the stored parameters
   * @throws CheckpointException if a file cannot be written, or a parameter exceeds the type
   */
  public void save(Path folder, WeightType type) {
    ModelFolder.save(folder, config, parameters, backend, type);
  }

  /** Returns the shape of the model. */
  public ReformerConfig config() {
    return config;
  }

  /** Returns the parameters. */
  public ParameterSet parameters() {
    return parameters;
  }

  /** Returns where the model lives. */
  public Backend backend() {
    return backend;
  }

  /** Returns in what the model computes. */
  public Precision precision() {
    return precision;
  }

  /** Returns whether there is a language-model head. */
  public boolean hasLmHead() {
    return head != null;
  }

  /** Allocates gradients, once. */
  public void enableTraining() {
    parameters.allocateGradients(scope, backend);
  }

  /**
   * Returns the final hidden states, Hugging Face's {@code last_hidden_state}.
   *
   * @param batch the tokens
   * @param options the call
   * @return [N, 2D], row-major; rows behind a sequence mean nothing
   */
  public float[] lastHiddenState(Batch batch, CallOptions options) {
    try (Step step = new Step(batch, options)) {
      step.forward();
      return backend.download(norm.forward(step.streams, 0, step.scope, step.pass));
    }
  }

  /**
   * Returns the logits of every position; for long sequences this is a large array.
   *
   * @param batch the tokens
   * @param options the call
   * @return [N, V], row-major; rows behind a sequence mean nothing
   */
  public float[] logits(Batch batch, CallOptions options) {
    LmHead lmHead = requireHead();
    try (Step step = new Step(batch, options)) {
      step.forward();
      Tensor logits = step.scope.allocate(DType.F32, batch.rows(), config.vocabSize());
      lmHead.logits(logits, step.streams, step.pass);
      return backend.download(logits);
    }
  }

  /**
   * Returns the logits at the last token of each sequence.
   *
   * @param batch the tokens
   * @param options the call
   * @return [B, V], row-major
   */
  public float[] nextTokenLogits(Batch batch, CallOptions options) {
    LmHead lmHead = requireHead();
    try (Step step = new Step(batch, options)) {
      step.forward();
      Tensor logits = step.scope.allocate(DType.F32, batch.size(), config.vocabSize());
      int[] lengths = batch.lengths();
      for (int b = 0; b < lengths.length; b++) {
        long row = (long) b * batch.length() + lengths[b] - 1;
        lmHead.logits(logits.rows(b, 1), step.streams.rows(row, 1), step.pass);
      }
      return backend.download(logits);
    }
  }

  /**
   * Returns an empty cache for decoding token by token; it is closed before the model.
   *
   * @param options the same for prompt and later tokens; no training
   * @throws IllegalArgumentException if the model is no causal language model
   */
  public DecodeCache decodeCache(CallOptions options) {
    if (!config.isDecoder() || head == null || options.training()) {
      throw new IllegalArgumentException(
          "decoding needs a causal language model, with is_decoder true and lm_head present, and"
              + " options of evaluation");
    }
    return new DecodeCache(this, embeddings, stack, head, options);
  }

  /**
   * Returns the mean loss over the targets, in nats.
   *
   * @param batch tokens and targets
   * @param options the call
   */
  public double loss(Batch batch, CallOptions options) {
    LmHead lmHead = requireHead();
    try (Step step = new Step(batch, options)) {
      Tensor targets = step.targets();
      step.forward();
      return lmHead.lossSum(step.streams, targets, step.pass) / batch.targetCount();
    }
  }

  /**
   * Returns the mean loss over the targets, in nats, and adds its gradient to the parameters'.
   *
   * @param batch tokens and targets
   * @param options the call
   * @param weight factor on the gradient, such as 1 / number of accumulated batches
   */
  public double lossAndGradients(Batch batch, CallOptions options, float weight) {
    LmHead lmHead = requireHead();
    try (Step step = new Step(batch, options, true)) {
      Tensor targets = step.targets();
      Branch.Saved[] saved = step.forward();
      Tensor dStreams = step.scope.allocate(DType.F32, batch.rows(), 2L * config.hiddenSize());
      float scale = weight / batch.targetCount();
      double sum = lmHead.lossSumAndGradient(dStreams, step.streams, targets, scale, step.pass);
      step.backward(saved, dStreams);
      return sum / batch.targetCount();
    }
  }

  /**
   * Runs the stack forward and back without a head and returns the largest difference between the
   * embedded input and what the inverse rebuilt.
   *
   * @param batch the tokens
   * @param options the call
   */
  public double reconstructionError(Batch batch, CallOptions options) {
    try (Step step = new Step(batch, options, true)) {
      Branch.Saved[] saved = step.forward();
      stack.inverse(step.x1, step.x2, saved, step.pass);
      float[] rebuilt = backend.download(step.streams);
      step.embed();
      float[] original = backend.download(step.streams);
      double worst = 0;
      for (int i = 0; i < original.length; i++) {
        worst = Math.max(worst, Math.abs((double) rebuilt[i] - original[i]));
      }
      return worst;
    }
  }

  private LmHead requireHead() {
    if (head == null) {
      throw new IllegalStateException(
          "this checkpoint has no language-model head (lm_head.*): use lastHiddenState, or load a"
              + " ReformerModelWithLMHead");
    }
    return head;
  }

  /** Frees the parameters. */
  @Override
  public void close() {
    scope.close();
  }

  /** One pass over the model: the streams and what the pass shares. */
  private final class Step implements AutoCloseable {
    final TensorScope scope = backend.scope("step");
    final Batch batch;
    final Pass pass;
    final Tensor streams;
    final Tensor x1;
    final Tensor x2;
    private final Tensor ids;
    private final Tensor positions;

    Step(Batch batch, CallOptions options) {
      this(batch, options, false);
    }

    /** Prepares a pass; with {@code back} its layers save what a way back needs. */
    Step(Batch batch, CallOptions options, boolean back) {
      this.batch = batch;
      try {
        pass = Passes.begin(config, backend, scope, precision, batch, options, back);
        int d = config.hiddenSize();
        // Both streams side by side, so that the head reads their concatenation in place.
        streams = scope.allocate(DType.F32, batch.rows(), 2L * d);
        x1 = streams.columns(0, d);
        x2 = streams.columns(d, d);
        ids = Passes.upload(backend, scope, batch.ids(), batch);
        positions = Passes.upload(backend, scope, batch.positionsOrDefault(), batch);
      } catch (RuntimeException e) {
        scope.close();
        throw e;
      }
    }

    Tensor targets() {
      if (batch.targetCount() == 0) {
        throw new IllegalArgumentException(
            "the batch has no targets: call Batch.withTargets or withCausalLabels");
      }
      return Passes.upload(backend, scope, batch.targetsOrNull(), batch);
    }

    void embed() {
      embeddings.forward(x1, ids, positions, pass);
      backend.copy(x2, x1);
    }

    Branch.Saved[] forward() {
      embed();
      return stack.forward(x1, x2, pass);
    }

    void backward(Branch.Saved[] saved, Tensor dStreams) {
      int d = config.hiddenSize();
      Tensor dX1 = dStreams.columns(0, d);
      Tensor dX2 = dStreams.columns(d, d);
      stack.backward(x1, x2, dX1, dX2, saved, pass);
      backend.residual(dX1, dX2, null, 1, Dropout.NONE);
      embeddings.backward(dX1, ids, positions, pass);
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
