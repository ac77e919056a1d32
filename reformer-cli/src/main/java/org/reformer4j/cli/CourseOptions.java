package org.reformer4j.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.function.Function;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Precision;
import org.reformer4j.model.train.BatchShape;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.LearningRate;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingOptions;
import picocli.CommandLine.Option;

/** Course of a training. */
final class CourseOptions {
  /** Passes timed to turn minutes into steps. */
  private static final int PROBES = 6;

  /** Share of the time that is left for steps; the rest is for evaluation, sample and start. */
  private static final double SHARE_FOR_STEPS = 0.85;

  /** Pretrained parameters are lost in larger steps. */
  private static final double PRETRAINED_RATE = 1e-4;

  @Option(names = "--steps", paramLabel = "N", description = "Updates to do, instead of --minutes.")
  private Long steps;

  @Option(
      names = "--minutes",
      paramLabel = "M",
      description =
          "Time to train; turned into a number of steps at the start (default of train: 2.75)."
              + " With --resume the number of steps is the saved one.")
  private Double minutes;

  @Option(
      names = "--batch",
      paramLabel = "B",
      defaultValue = "4",
      description = "Sequences computed at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--accumulate",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Batches whose gradients are summed before an update (default: ${DEFAULT-VALUE}).")
  private int accumulate;

  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      defaultValue = "adamw",
      description = "adamw or adafactor (default: ${DEFAULT-VALUE}).")
  private OptimizerOptions.Kind optimizer;

  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      description =
          "Peak learning rate (default: 0.002 in train, 0.0001 in finetune; ten times as much with"
              + " adafactor).")
  private Double learningRate;

  @Option(
      names = "--schedule",
      paramLabel = "NAME",
      defaultValue = "cosine",
      description =
          "cosine, linear, inverse_square_root or constant, after the warm-up"
              + " (default: ${DEFAULT-VALUE}).")
  private LearningRate.Schedule schedule;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description = "Steps of linear warm-up (default: 5 %% of the steps, at most 200).")
  private Long warmup;

  @Option(
      names = "--weight-decay",
      paramLabel = "X",
      description = "Decoupled weight decay of matrices (default: 0.01, 0 with adafactor).")
  private Float weightDecay;

  @Option(
      names = "--clip",
      paramLabel = "X",
      defaultValue = "1",
      description = "Largest global gradient norm, 0 for none (default: ${DEFAULT-VALUE}).")
  private float clip;

  @Option(
      names = "--validation-fraction",
      paramLabel = "X",
      defaultValue = "0.1",
      description =
          "Share that is held out: the last part of the text, or examples drawn at random"
              + " (default: ${DEFAULT-VALUE}).")
  private double validationFraction;

  @Option(
      names = "--evaluate-every",
      paramLabel = "N",
      defaultValue = "0",
      description = "Steps between evaluations, 0 for one at the end (default: ${DEFAULT-VALUE}).")
  private long evaluateEvery;

  @Option(
      names = "--evaluation-windows",
      paramLabel = "N",
      defaultValue = "0",
      description = "Windows or examples of an evaluation, 0 for all (default: ${DEFAULT-VALUE}).")
  private int evaluationWindows;

  @Option(
      names = "--save-every",
      paramLabel = "N",
      defaultValue = "200",
      description = "Steps between checkpoints, 0 for one at the end (default: ${DEFAULT-VALUE}).")
  private long saveEvery;

  @Option(
      names = "--log-every",
      paramLabel = "N",
      defaultValue = "10",
      description = "Steps between reports (default: ${DEFAULT-VALUE}).")
  private long logEvery;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of parameters, data order, dropout, rotations (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--memory-policy",
      paramLabel = "NAME",
      defaultValue = "recompute",
      description =
          "What layers keep for the backward pass: recompute (nothing; memory does not grow with the"
              + " layers), keep_order, keep_feed_forward, keep_attention (most, and fastest), or auto:"
              + " what fits into the memory that is left (default: ${DEFAULT-VALUE}).")
  private MemoryPolicy memory;

  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      defaultValue = "float32",
      description =
          "float32, or bfloat16 for activations and the matrices they are multiplied by, which the"
              + " cuda backend computes faster (default: ${DEFAULT-VALUE}).")
  private Precision precision;

  void check() {
    if (steps != null && minutes != null) {
      throw new IllegalArgumentException("give --steps or --minutes, not both");
    }
    if (steps != null && steps < 1 || minutes != null && !(minutes > 0)) {
      throw new IllegalArgumentException("--steps and --minutes must be positive");
    }
  }

  /** Changes the defaults to those of fine-tuning; options that were given stay. */
  void startsFromPretrained() {
    if (learningRate == null) {
      boolean factored = optimizer == OptimizerOptions.Kind.ADAFACTOR;
      learningRate = factored ? 10 * PRETRAINED_RATE : PRETRAINED_RATE;
    }
  }

  /** Returns whether the options say how long to train. */
  boolean saysHowLong() {
    return steps != null || minutes != null;
  }

  /** Returns the steps in which so many examples are seen so often. */
  long stepsOf(double epochs, int examples) {
    return Math.max(1, (long) Math.ceil(epochs * examples / ((double) batch * accumulate)));
  }

  Precision precision() {
    return precision;
  }

  long seed() {
    return seed;
  }

  double validationFraction() {
    return validationFraction;
  }

  /** Returns the steps that fit into --minutes. */
  long stepsInTime(double secondsPerStep) {
    double available = (minutes == null ? 2.75 : minutes) * 60 * SHARE_FOR_STEPS;
    return Math.max(1, (long) (available / secondsPerStep));
  }

  /**
   * Returns the options of a training whose steps, where they are not given, fill its minutes.
   *
   * @param context most tokens of a sequence
   * @param trainers makes a trainer, whose passes are timed
   * @param err told their time
   */
  TrainingOptions options(
      int context, Function<TrainingOptions, Trainer> trainers, PrintWriter err) {
    if (steps != null) {
      return options(steps, context);
    }
    try (Trainer trainer = trainers.apply(options(1, context))) {
      double seconds = trainer.secondsPerStep(PROBES);
      err.printf(Locale.ROOT, "%.3f seconds per step%n", seconds);
      return options(stepsInTime(seconds), context);
    }
  }

  TrainingOptions options(long totalSteps, int context) {
    boolean factored = optimizer == OptimizerOptions.Kind.ADAFACTOR;
    OptimizerOptions defaults = factored ? OptimizerOptions.adafactor() : OptimizerOptions.adamW();
    double peak = learningRate != null ? learningRate : factored ? 0.02 : 0.002;
    long warm = warmup != null ? warmup : Math.min(200, totalSteps / 20);
    return new TrainingOptions(
        seed,
        new BatchShape(batch, accumulate, context),
        new OptimizerOptions(
            optimizer,
            defaults.beta1(),
            defaults.beta2(),
            defaults.epsilon(),
            weightDecay != null ? weightDecay : defaults.weightDecay(),
            clip),
        new LearningRate(schedule, peak, peak / 10, warm, totalSteps),
        new Intervals(logEvery, evaluateEvery, saveEvery, evaluationWindows),
        memory,
        precision);
  }
}
