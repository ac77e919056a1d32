package org.reformer4j.model;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.checkpoint.WeightType;

/**
 * A Reformer with the head of a {@link Task}, or without one: Hugging Face's ReformerModel,
 * ReformerModelWithLMHead, ReformerForMaskedLM and so on.
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
  private final Encoder encoder;
  private final Task task;
  private final Head head;
  private LoadReport loadReport = LoadReport.COMPLETE;

  private ReformerModel(ReformerConfig config, Task task, Backend backend, Precision precision) {
    precision.require(backend);
    this.config = config;
    this.task = task;
    this.backend = backend;
    this.precision = precision;
    this.encoder = new Encoder(config, parameters);
    this.head = encoder.head(task, parameters);
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
    ReformerModel model = new ReformerModel(config, Task.LANGUAGE_MODEL, backend, precision);
    model.parameters.initialize(backend, seed);
    return model;
  }

  /**
   * Makes a model of any task with fresh parameters.
   *
   * @param config its shape; {@code architectures} becomes that of the task. A classifier or
   *     embedding on a causal model pools the last token unless {@link Pooling#CONFIG_FIELD} says
   *     otherwise, for the first one has seen nothing but itself
   * @param task which head it has
   * @param backend where it lives; stays open longer than the model
   * @param precision in what it computes
   * @param seed equal seeds give equal parameters
   * @throws IllegalArgumentException if the backend does not compute with that precision
   */
  public static ReformerModel create(
      ReformerConfig config, Task task, Backend backend, Precision precision, long seed) {
    ReformerModel model = new ReformerModel(withHead(config, task), task, backend, precision);
    model.parameters.initialize(backend, seed);
    return model;
  }

  /** Returns the config of a model with a new head. */
  private static ReformerConfig withHead(ReformerConfig config, Task task) {
    String architecture = task.architecture(config.isDecoder());
    return Pooling.ofNewHead(config, task).toBuilder().architectures(List.of(architecture)).build();
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
    Task task = Task.of(files.config(), files.names());
    ReformerModel model = new ReformerModel(files.config(), task, backend, precision);
    try {
      files.loadInto(model.parameters, backend);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
    return model;
  }

  /**
   * Loads a pretrained folder to be trained for a task: the encoder's parameters must be there, the
   * head's are newly initialised where they are not, and what the task has no use for is left. The
   * {@link #loadReport} says which.
   *
   * @param folder where the files are
   * @param config the folder's, changed as the task needs: labels, problem type, dropout,
   *     causality; completed as by {@link #create(ReformerConfig, Task, Backend, Precision, long)}
   * @param task which head it gets
   * @param backend where the model lives; stays open longer than the model
   * @param precision in what it computes
   * @param seed of the new parameters
   * @throws CheckpointException if the files are missing or damaged, or parameters of the encoder
   *     are missing, or shapes do not fit the config
   * @throws IllegalArgumentException if the backend does not compute with that precision
   */
  public static ReformerModel loadForTask(
      Path folder,
      ReformerConfig config,
      Task task,
      Backend backend,
      Precision precision,
      long seed) {
    ModelFolder files = ModelFolder.open(folder);
    ReformerModel model = new ReformerModel(withHead(config, task), task, backend, precision);
    try {
      model.parameters.initialize(backend, seed);
      model.loadReport = files.loadKnown(model.parameters, backend, task::owns);
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

  /** Returns what the model is for. */
  public Task task() {
    return task;
  }

  /** Returns whether there is a language-model head. */
  public boolean hasLmHead() {
    return task == Task.LANGUAGE_MODEL;
  }

  /** Returns the first part of the names of the head's parameters; empty without a head. */
  public String headName() {
    return head == null ? "" : head.name();
  }

  /** Returns what was not loaded, and what not used, of the folder that the model comes from. */
  public LoadReport loadReport() {
    return loadReport;
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
    try (Step step = step(batch, options, false)) {
      step.forward();
      return backend.download(encoder.norm.forward(step.streams, 0, step.scope, step.pass));
    }
  }

  /**
   * Returns all results of the head, and {@code loss} where the batch has labels, from one pass:
   * {@code logits} [B, T, V] of a language model, [B, L] or [B, T, L] of a classifier, {@code
   * start_logits} and {@code end_logits} [B, T], {@code embeddings} [B, 2D].
   *
   * @param batch the tokens, and labels of the head's kind or none
   * @param options the call
   * @return by name; for long sequences large arrays
   * @throws IllegalStateException if the model has no head
   */
  public Map<String, ModelOutput> outputs(Batch batch, CallOptions options) {
    Head of = requireHead();
    boolean labelled = of.targetCount(batch) > 0;
    try (Step step = step(batch, options, false)) {
      step.forward();
      Map<String, ModelOutput> results = new LinkedHashMap<>();
      of.outputs(step.streams, batch, step.pass).forEach(o -> results.put(o.name(), o));
      if (labelled) {
        float loss = (float) of.loss(step.streams, batch, step.pass);
        results.put("loss", ModelOutput.of("loss", new float[] {loss}));
      }
      return results;
    }
  }

  /**
   * Returns the logits of a language model or classifier.
   *
   * @param batch the tokens
   * @param options the call
   * @return [N, V], for long sequences a large array; [B, L] of sequences or [N, L] of tokens;
   *     row-major; rows behind a sequence mean nothing
   */
  public float[] logits(Batch batch, CallOptions options) {
    Head of = requireHead();
    try (Step step = step(batch, options, false)) {
      step.forward();
      for (ModelOutput output : of.outputs(step.streams, batch, step.pass)) {
        if (output.name().equals("logits")) {
          return output.values();
        }
      }
      throw new IllegalStateException(
          "a model for " + task + " has no logits of one kind: use ReformerModel.outputs");
    }
  }

  /**
   * Returns a vector for each sequence; any model gives one, whatever its head.
   *
   * @param batch the tokens
   * @param how pooling and norm
   * @param options the call
   * @return [B, 2D], row-major
   */
  public float[] embeddings(Batch batch, EmbeddingOptions how, CallOptions options) {
    Head embedding = new EmbeddingHead(config, encoder.norm, how);
    try (Step step = step(batch, options, false)) {
      step.forward();
      return embedding.outputs(step.streams, batch, step.pass).get(0).values();
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
    LmHead lmHead = requireLmHead();
    try (Step step = step(batch, options, false)) {
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
    if (!config.isDecoder() || !(head instanceof LmHead lmHead) || options.training()) {
      throw new IllegalArgumentException(
          "decoding needs a causal language model, with is_decoder true and lm_head present, and"
              + " options of evaluation");
    }
    return new DecodeCache(new DecodePasses(this, encoder, lmHead, options));
  }

  /**
   * Returns the mean loss over the targets: in nats, but for regression.
   *
   * @param batch tokens and labels of the head's kind
   * @param options the call
   */
  public double loss(Batch batch, CallOptions options) {
    Head of = requireTargets(batch);
    try (Step step = step(batch, options, false)) {
      step.forward();
      return of.loss(step.streams, batch, step.pass);
    }
  }

  /**
   * Returns the mean loss over the targets and adds its gradient to the parameters'.
   *
   * @param batch tokens and labels of the head's kind
   * @param options the call
   * @param weight factor on the gradient, such as 1 / number of accumulated batches
   */
  public double lossAndGradients(Batch batch, CallOptions options, float weight) {
    Head of = requireTargets(batch);
    try (Step step = step(batch, options, true)) {
      Branch.Saved[] saved = step.forward();
      Tensor dStreams = step.scope.allocate(DType.F32, batch.rows(), 2L * config.hiddenSize());
      double loss = of.lossAndGradient(dStreams, step.streams, batch, weight, step.pass);
      step.backward(saved, dStreams);
      return loss;
    }
  }

  /**
   * Returns how many labels of a batch the loss is the mean over; 0 if it has none.
   *
   * @param batch tokens and labels
   * @throws IllegalArgumentException if the labels are not of the head's kind, or out of range
   */
  public long targetCount(Batch batch) {
    return requireHead().targetCount(batch);
  }

  /**
   * Runs the stack forward and back without a head and returns the largest difference between the
   * embedded input and what the inverse rebuilt.
   *
   * @param batch the tokens
   * @param options the call
   */
  public double reconstructionError(Batch batch, CallOptions options) {
    try (Step step = step(batch, options, true)) {
      Branch.Saved[] saved = step.forward();
      encoder.stack.inverse(step.x1, step.x2, saved, step.pass);
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

  private Step step(Batch batch, CallOptions options, boolean back) {
    return new Step(encoder, backend, precision, batch, options, back);
  }

  private Head requireTargets(Batch batch) {
    Head of = requireHead();
    if (of.targetCount(batch) == 0) {
      throw new IllegalArgumentException(
          "the batch has no targets: call Batch.withTargets, withCausalLabels or withLabels");
    }
    return of;
  }

  private Head requireHead() {
    if (head == null) {
      throw new IllegalStateException(
          "this checkpoint has no head: use lastHiddenState or embeddings, load one that has, or"
              + " give it one with loadForTask");
    }
    return head;
  }

  private LmHead requireLmHead() {
    if (head instanceof LmHead lmHead) {
      return lmHead;
    }
    throw new IllegalStateException(
        "this checkpoint has no language-model head (lm_head.*): use lastHiddenState or outputs, or"
            + " load a ReformerModelWithLMHead");
  }

  /** Frees the parameters. */
  @Override
  public void close() {
    scope.close();
  }
}
