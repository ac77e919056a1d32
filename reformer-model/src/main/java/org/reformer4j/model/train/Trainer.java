package org.reformer4j.model.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.text.Corpus;

/**
 * Trains a causal byte-level model on a text, a model of any task on labelled examples, or any
 * model on {@link TrainingData} of one's own.
 *
 * <p>Step s sees windows (s-1)*W .. s*W-1 of the shuffled text, or as many examples of an epoch's
 * order, and its dropout and rotations come from (seed, pass number): nothing depends on when or
 * how often the training was interrupted, so a run killed at any moment and resumed gives the same
 * bits as an uninterrupted one.
 */
public final class Trainer implements AutoCloseable {
  /** File that holds a training at rest. */
  public static final String STATE_FILE = "training.safetensors";

  /** File that gets one JSON object per report. */
  public static final String METRICS_FILE = "metrics.jsonl";

  private final ReformerModel model;
  private final Backend backend;
  private final TrainingData data;
  private final TrainingOptions options;
  private final Path output;
  private final TrainingListener listener;
  private final TrainingState.Identity identity;
  private final StepGradients gradients;
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
   * @throws IllegalArgumentException if model, texts and context do not fit together
   */
  public Trainer(
      ReformerModel model,
      Corpus train,
      Corpus validation,
      TrainingOptions options,
      Path output,
      TrainingListener listener) {
    this(model, new TextData(model, train, validation, options), options, output, listener);
  }

  /**
   * Prepares a training on labelled examples, such as the fine-tuning of a model from {@link
   * ReformerModel#loadForTask}.
   *
   * @param model has a head for labels of this kind
   * @param train what to learn
   * @param validation held-out examples; none for no evaluation
   * @param options its course; a batch has so many examples, and its context length is the most
   *     tokens of a sequence
   * @param output folder of the results, made if it does not exist
   * @param listener told what happens
   * @throws IllegalArgumentException if model, examples and options do not fit together; the
   *     message names the example
   */
  public Trainer(
      ReformerModel model,
      LabelledExamples train,
      LabelledExamples validation,
      TrainingOptions options,
      Path output,
      TrainingListener listener) {
    this(model, new ExampleData(model, train, validation, options), options, output, listener);
  }

  /**
   * Prepares a training on data of any kind.
   *
   * @param model has a head for the labels of the data
   * @param data what to learn and to be measured on
   * @param options its course
   * @param output folder of the results, made if it does not exist
   * @param listener told what happens
   */
  public Trainer(
      ReformerModel model,
      TrainingData data,
      TrainingOptions options,
      Path output,
      TrainingListener listener) {
    this.model = model;
    this.backend = model.backend();
    this.data = data;
    this.options = options;
    this.output = output;
    this.listener = listener;
    this.identity =
        new TrainingState.Identity(
            options, model.config(), data.trainFingerprint(), data.validationFingerprint());
    this.gradients = new StepGradients(model, data, options);
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
   * Returns how many steps the training that a folder holds has done.
   *
   * @param output folder of the results
   * @throws CheckpointException if it holds none
   */
  public static long savedStep(Path output) {
    return TrainingState.step(output.resolve(STATE_FILE));
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
   * @param probes passes to time, at least 1, after four times as many to warm up: the first passes
   *     after the start of Java are twice as slow
   * @return seconds of a whole step without its update, from the median of the probes
   */
  public double secondsPerStep(int probes) {
    if (probes < 1) {
      throw new IllegalArgumentException("probes must be at least 1, got " + probes);
    }
    double[] seconds = new double[probes];
    for (int i = 0; i < 5 * probes; i++) {
      seconds[i % probes] = gradients.secondsOfOnePass();
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
   * stopped it saves without evaluating. A training resumed after its last step is evaluated and
   * saved once more.
   *
   * @throws NonFiniteLossException if loss or gradient are not finite; nothing was updated by them
   * @throws CheckpointException if the output folder holds a training that was not resumed
   */
  public TrainingResult run() {
    prepareOutput();
    long total = options.rate().totalSteps();
    Progress progress = new Progress();
    double loss = Double.NaN;
    Optional<EvaluationReport> evaluation = Optional.empty();
    if (done >= total) {
      // Its line is in the metrics already: every step is saved after its reports.
      evaluation = measure(done);
    }
    boolean saved = false;
    while (done < total && !stopping) {
      long step = done + 1;
      progress.stepBegins();
      // Evaluations need other memory; this way a resumed training reports the same peak.
      backend.resetPeak();
      loss = gradients.compute(step);
      double norm = gradients.norm(step);
      float clip = options.optimizer().clipNorm();
      float scale = clip > 0 && norm > clip ? (float) (clip / norm) : 1f;
      float rate = options.rate().at(step);
      optimizer.step(rate, step, scale);
      done = step;
      progress.stepEnds(gradients.tokens());
      // Not when stopping: the metrics must not tell how often a training was interrupted.
      if (due(step, options.intervals().log()) || step == total) {
        report(progress, loss, rate, norm);
      }
      if (due(step, options.intervals().evaluate()) || step == total) {
        evaluation = measure(step);
        evaluation.ifPresent(metrics::append);
      }
      saved = due(step, options.intervals().save()) || step == total;
      if (saved) {
        save();
      }
    }
    if (!saved) {
      save();
    }
    return new TrainingResult(done, loss, evaluation, done < total, progress.secondsElapsed());
  }

  private void report(Progress progress, double loss, float rate, double norm) {
    long total = options.rate().totalSteps();
    Progress.Speed speed = progress.speed();
    StepReport report =
        new StepReport(
            done,
            total,
            loss,
            rate,
            norm,
            speed.tokensPerSecond(),
            backend.peakBytes(),
            progress.secondsElapsed(),
            speed.secondsPerStep() * (total - done));
    metrics.append(report);
    listener.step(report);
  }

  private static boolean due(long step, long interval) {
    return interval > 0 && step % interval == 0;
  }

  private void prepareOutput() {
    if (!resumed && Files.exists(output.resolve(STATE_FILE))) {
      throw new CheckpointException(
          output
              + " holds a training already: resume it (--resume), or choose another folder (--out)");
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

  private Optional<EvaluationReport> measure(long step) {
    Optional<EvaluationReport> report = data.evaluate(model, step);
    report.ifPresent(listener::evaluated);
    return report;
  }

  private void save() {
    // First the metrics: a state must never reach the disk before the reports of its steps.
    metrics.force();
    TrainingState.save(output.resolve(STATE_FILE), done, identity, model, optimizer.state());
    model.save(output);
    listener.saved(done, output);
  }

  /** Frees the optimizer's state; the model stays. */
  @Override
  public void close() {
    scope.close();
  }
}
