package org.reformer4j.model.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.text.ByteTokenizer;
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
    check(model, validation, options);
    this.model = model;
    this.backend = model.backend();
    this.validation = validation;
    this.options = options;
    this.output = output;
    this.listener = listener;
    this.identity =
        new TrainingState.Identity(
            options,
            model.config(),
            train.fingerprint(),
            validation.length() == 0 ? 0 : validation.fingerprint());
    Windows windows = new Windows(train, options.batch().contextLength() + 1, options.seed());
    this.gradients = new StepGradients(model, windows, options);
    this.metrics = new MetricsFile(output.resolve(METRICS_FILE));
    model.enableTraining();
    this.scope = backend.scope("optimizer");
    this.optimizer = Optimizer.create(options.optimizer(), model.parameters(), scope, backend);
  }

  private static void check(ReformerModel model, Corpus validation, TrainingOptions options) {
    int context = options.batch().contextLength();
    ReformerConfig config = model.config();
    if (!model.hasLmHead() || !config.isDecoder()) {
      throw new IllegalArgumentException(
          "training needs a causal language model: a head, and is_decoder true in the config");
    }
    if (config.vocabSize() < ByteTokenizer.VOCABULARY_SIZE) {
      throw new IllegalArgumentException(
          "vocab_size must be at least the "
              + ByteTokenizer.VOCABULARY_SIZE
              + " ids of bytes, got "
              + config.vocabSize());
    }
    if (context > config.maxPositions()) {
      throw new IllegalArgumentException(
          "the context of "
              + context
              + " tokens exceeds the model's "
              + config.maxPositions()
              + " positions: shorten it or enlarge max_position_embeddings");
    }
    if (model.precision() != options.precision()) {
      throw new IllegalArgumentException(
          "the options ask for precision "
              + options.precision().label()
              + ", but the model computes in "
              + model.precision().label()
              + ": make the model with the precision of the options");
    }
    if (validation.length() == 1) {
      throw new IllegalArgumentException(
          "the held-out text has one byte and nothing to predict: use more, or an empty one");
    }
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
      progress.stepEnds();
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
    double perStep = progress.secondsPerStep();
    StepReport report =
        new StepReport(
            done,
            total,
            loss,
            rate,
            norm,
            options.batch().tokens() / perStep,
            backend.peakBytes(),
            progress.secondsElapsed(),
            perStep * (total - done));
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
    if (validation.length() == 0) {
      return Optional.empty();
    }
    EvaluationReport measured =
        Evaluator.evaluate(
            model,
            validation,
            options.batch().contextLength(),
            options.intervals().evaluationWindows());
    EvaluationReport report = new EvaluationReport(step, measured.loss(), measured.bytes());
    listener.evaluated(report);
    return Optional.of(report);
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
