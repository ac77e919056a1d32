package org.reformer4j.model.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.text.Windows;

/**
 * Trains a causal byte-level model on a text.
 *
 * <p>Step s sees windows (s-1)*W .. s*W-1 of the shuffled text, and its dropout and rotations come
 * from (seed, pass number): nothing depends on when or how often the training was interrupted, so a
 * run killed at any moment and resumed gives the same bits as an uninterrupted one.
 */
public final class Trainer implements AutoCloseable {
  /** File that holds a training at rest. */
  public static final String STATE_FILE = "training.safetensors";

  /** File that gets one JSON object per report. */
  public static final String METRICS_FILE = "metrics.jsonl";

  private final ReformerModel model;
  private final Backend backend;
  private final Corpus validation;
  private final TrainingOptions options;
  private final Path output;
  private final TrainingListener listener;
  private final TrainingState.Identity identity;
  private final Windows windows;
  private final MetricsFile metrics;
  private final TensorScope scope;
  private final Optimizer optimizer;
  private long done;
  private boolean resumed;
  private volatile boolean stopping;

  /**
   * Prepares a training.
   *
   * @param model a causal language model with the byte vocabulary
   * @param train the text to learn
   * @param validation held-out text; an empty one for no evaluation
   * @param options its course
   * @param output folder of the results, made if it does not exist
   * @param listener told what happens
   * @throws IllegalArgumentException if text or context do not fit the model
   */
  public Trainer(
      ReformerModel model,
      Corpus train,
      Corpus validation,
      TrainingOptions options,
      Path output,
      TrainingListener listener) {
    int context = options.batch().contextLength();
    if (context > model.config().maxPositions()) {
      throw new IllegalArgumentException(
          "the context of "
              + context
              + " tokens exceeds the model's "
              + model.config().maxPositions()
              + " positions: shorten it or enlarge max_position_embeddings");
    }
    this.model = model;
    this.backend = model.backend();
    this.validation = validation;
    this.options = options;
    this.output = output;
    this.listener = listener;
    this.identity =
        new TrainingState.Identity(
            options,
            model.config().toString(),
            train.fingerprint(),
            validation.length() == 0 ? 0 : validation.fingerprint());
    this.windows = new Windows(train, context + 1, options.seed());
    this.metrics = new MetricsFile(output.resolve(METRICS_FILE));
    model.enableTraining();
    this.scope = backend.scope("optimizer");
    this.optimizer = Optimizer.create(options.optimizer(), model.parameters(), scope, backend);
  }

  /**
   * Returns the options of the training that a folder holds, if any.
   *
   * @param output folder of the results
   */
  public static Optional<TrainingOptions> savedOptions(Path output) {
    Path file = output.resolve(STATE_FILE);
    return Files.exists(file) ? Optional.of(TrainingState.options(file)) : Optional.empty();
  }

  /**
   * Loads the training that the output folder holds.
   *
   * @return false if there is none
   * @throws CheckpointException if it belongs to another config, text or options; lists all
   *     differences
   */
  public boolean resume() {
    Path file = output.resolve(STATE_FILE);
    if (!Files.exists(file)) {
      return false;
    }
    done = TrainingState.load(file, identity, model, optimizer.state());
    metrics.keepUpTo(done);
    resumed = true;
    return true;
  }

  /**
   * Times passes without changing parameters or state.
   *
   * @param probes passes to time, after as many to warm up
   * @return seconds of a whole step, the median of the probes
   */
  public double secondsPerStep(int probes) {
    double[] seconds = new double[probes];
    for (int i = 0; i < 2 * probes; i++) {
      long start = System.nanoTime();
      model.lossAndGradients(batch(0), CallOptions.training(options.seed(), 0), 0f);
      seconds[i % probes] = (System.nanoTime() - start) * 1e-9;
    }
    Arrays.sort(seconds);
    return seconds[probes / 2] * options.batch().accumulation();
  }

  /** Lets {@link #run} save and return after the step at hand. May be called by any thread. */
  public void stopAfterCurrentStep() {
    stopping = true;
  }

  /**
   * Trains to the last step, saving and evaluating as the options say, and always at the end; when
   * stopped it saves without evaluating.
   *
   * @throws NonFiniteLossException if loss or gradient are not finite; nothing was updated by them
   * @throws CheckpointException if the output folder holds a training that was not resumed
   */
  public TrainingResult run() {
    prepareOutput();
    long total = options.rate().totalSteps();
    long start = System.nanoTime();
    long reported = start;
    long reportedStep = done;
    double loss = Double.NaN;
    Optional<EvaluationReport> evaluation = Optional.empty();
    boolean saved = false;
    while (done < total && !stopping) {
      long step = done + 1;
      loss = gradients(step);
      double norm = gradientNorm(step);
      float clip = options.optimizer().clipNorm();
      float scale = clip > 0 && norm > clip ? (float) (clip / norm) : 1f;
      float rate = options.rate().at(step);
      optimizer.step(rate, step, scale);
      done = step;
      boolean last = step == total || stopping;
      if (step % options.intervals().log() == 0 || last) {
        long now = System.nanoTime();
        double elapsed = (now - start) * 1e-9;
        double perStep = (now - reported) * 1e-9 / (step - reportedStep);
        StepReport report =
            new StepReport(
                step,
                total,
                loss,
                rate,
                norm,
                options.batch().tokens() / perStep,
                backend.peakBytes(),
                elapsed,
                perStep * (total - step));
        metrics.append(report);
        listener.step(report);
        reported = now;
        reportedStep = step;
      }
      if (due(step, options.intervals().evaluate()) || step == total) {
        evaluation = evaluate(step);
      }
      saved = due(step, options.intervals().save()) || last;
      if (saved) {
        save(step);
      }
    }
    if (!saved) {
      save(done);
    }
    return new TrainingResult(
        done, loss, evaluation, done < total, (System.nanoTime() - start) * 1e-9);
  }

  private static boolean due(long step, long interval) {
    return interval > 0 && step % interval == 0;
  }

  private void prepareOutput() {
    if (!resumed && Files.exists(output.resolve(STATE_FILE))) {
      throw new CheckpointException(
          output + " holds a training already: resume it, or choose another folder");
    }
    try {
      Files.createDirectories(output);
      if (!resumed) {
        Files.deleteIfExists(output.resolve(METRICS_FILE));
        // At once, so that whoever resumes after a crash finds it beside the first state.
        ConfigJson.write(output.resolve(ModelFolder.CONFIG), model.config());
      }
    } catch (IOException e) {
      throw new CheckpointException("cannot write to " + output + ": " + e.getMessage(), e);
    }
  }

  /** Sums the gradients of a step's batches and returns the mean loss. */
  private double gradients(long step) {
    int accumulation = options.batch().accumulation();
    model.parameters().zeroGradients(backend);
    double sum = 0;
    for (int i = 0; i < accumulation; i++) {
      long pass = (step - 1) * accumulation + i;
      Batch batch = batch(pass);
      CallOptions call = CallOptions.training(options.seed(), pass);
      double loss = model.lossAndGradients(batch, call, 1f / accumulation);
      if (!Double.isFinite(loss)) {
        String layer = NonFiniteSearch.firstLayer(model, batch, call);
        throw new NonFiniteLossException(step, layer, "the loss");
      }
      sum += loss;
    }
    return sum / accumulation;
  }

  private double gradientNorm(long step) {
    double squares = 0;
    for (Parameter parameter : model.parameters().all()) {
      double own = backend.sumOfSquares(parameter.gradient());
      if (!Double.isFinite(own)) {
        throw new NonFiniteLossException(step, parameter.name(), "the gradient");
      }
      squares += own;
    }
    return Math.sqrt(squares);
  }

  private Batch batch(long pass) {
    int sequences = options.batch().sequences();
    int context = options.batch().contextLength();
    int[] ids = new int[sequences * context];
    int[] targets = new int[sequences * context];
    int[] window = new int[context + 1];
    for (int i = 0; i < sequences; i++) {
      windows.copy(pass * sequences + i, window, 0);
      System.arraycopy(window, 0, ids, i * context, context);
      System.arraycopy(window, 1, targets, i * context, context);
    }
    return Batch.of(ids, context).withTargets(targets);
  }

  private Optional<EvaluationReport> evaluate(long step) {
    if (validation.length() < 2) {
      return Optional.empty();
    }
    EvaluationReport measured =
        Evaluator.evaluate(
            model,
            validation,
            options.batch().contextLength(),
            options.intervals().evaluationWindows());
    EvaluationReport report = new EvaluationReport(step, measured.loss(), measured.bytes());
    metrics.append(report);
    listener.evaluated(report);
    return Optional.of(report);
  }

  private void save(long step) {
    TrainingState.save(output.resolve(STATE_FILE), step, identity, model, optimizer.state());
    model.save(output);
    listener.saved(step, output);
  }

  /** Frees the optimizer's state; the model stays. */
  @Override
  public void close() {
    scope.close();
  }
}
