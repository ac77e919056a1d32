package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.Generator;
import org.reformer4j.model.generate.SamplingOptions;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;
import org.reformer4j.model.train.TrainingResult;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a language model on text. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Train a byte-level Reformer language model on text.",
      "Without --text it takes the sources and documents of this repository and ends after about"
          + " three minutes. The output folder gets model.safetensors, config.json, metrics.jsonl,"
          + " loss.png, and training.safetensors, from which --resume goes on with the same bits as"
          + " if it had never been interrupted."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer train",
      "  reformer train --text book.txt chapters/ --out runs/book --minutes 15",
      "  reformer train --text book.txt --out runs/book --resume"
    })
final class TrainCommand implements Callable<Integer> {
  /** Options that a resumed training takes from the command line; all others were saved. */
  private static final Set<String> USED_WITH_RESUME =
      Set.of(
          "--resume",
          "--out",
          "--text",
          "--validation-fraction",
          "--backend",
          "--threads",
          "--verbose");

  private static final int SAMPLE_PROMPT = 64;
  private static final int SAMPLE_LENGTH = 200;

  @Option(
      names = "--text",
      arity = "1..*",
      paramLabel = "PATH",
      description = "Text files or folders (default: the text of this repository).")
  private List<Path> text;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "runs/first",
      description = "Folder of the results (default: ${DEFAULT-VALUE}).")
  private Path out;

  @Option(
      names = "--resume",
      description =
          "Go on with the training in --out, with its model, options and number of steps; give"
              + " --text and --validation-fraction as before, others are ignored.")
  private boolean resume;

  @ArgGroup(validate = false, heading = "%nModel:%n")
  private ModelOptions model = new ModelOptions();

  @ArgGroup(validate = false, heading = "%nTraining:%n")
  private CourseOptions course = new CourseOptions();

  @Mixin private BackendMixin backends;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter result = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    course.check();
    RunFolder folder = new RunFolder(out);
    if (resume) {
      folder.requireTraining();
      TrainingRun.noteIgnored(spec, USED_WITH_RESUME);
    } else {
      folder.requireUnused(folder.generation("The "));
    }
    Corpus corpus = text == null ? RepositoryText.open() : Corpus.open(text);
    Corpus.Split split = corpus.split(course.validationFraction());
    ReformerConfig config =
        resume ? ConfigJson.read(out.resolve(ModelFolder.CONFIG)) : model.config();
    Precision precision =
        resume ? Trainer.savedOptions(out).orElseThrow().precision() : course.precision();
    warnOfReach(config, err);
    try (Backend backend = backends.open(err);
        ReformerModel loaded = ReformerModel.create(config, backend, precision, course.seed())) {
      TrainingOptions options = options(loaded, split, err);
      err.printf(
          Locale.ROOT,
          "%,d parameters; %,d bytes to learn, %,d held out; %,d steps of %,d tokens%n",
          loaded.parameters().elements(),
          split.train().length(),
          split.validation().length(),
          options.rate().totalSteps(),
          options.batch().tokens());
      TrainingResult end = train(loaded, split, options, err);
      if (!end.stopped()) {
        report(end, loaded, split, result);
      }
      return 0;
    }
  }

  private void warnOfReach(ReformerConfig config, PrintWriter err) {
    int context = model.contextLength(config);
    if (context > config.reach()) {
      err.printf(
          Locale.ROOT,
          "warning: LSH layers find keys up to about %,d tokens back, and sequences have %,d: give"
              + " more --buckets, a longer --chunk or more --chunks-before%n",
          config.reach(),
          context);
    }
  }

  /** Options of the command line, or of the training to resume, which alone decide its course. */
  private TrainingOptions options(ReformerModel loaded, Corpus.Split split, PrintWriter err) {
    if (resume) {
      return Trainer.savedOptions(out).orElseThrow();
    }
    int context = model.contextLength(loaded.config());
    return course.options(
        model.contextLength(loaded.config()),
        probe ->
            new Trainer(
                loaded, split.train(), split.validation(), probe, out, TrainingListener.NONE),
        err);
  }

  private TrainingResult train(
      ReformerModel loaded, Corpus.Split split, TrainingOptions options, PrintWriter err) {
    return TrainingRun.run(
        listener -> new Trainer(loaded, split.train(), split.validation(), options, out, listener),
        resume,
        new Progress(err, Progress.onTerminal(), false),
        resumption(),
        err);
  }

  /** Returns the command that goes on with this training. */
  private String resumption() {
    StringBuilder command = new StringBuilder("./reformer train --resume --out ");
    command.append(RunFolder.quote(out.toString()));
    if (text != null) {
      command.append(" --text");
      text.forEach(path -> command.append(' ').append(RunFolder.quote(path.toString())));
    }
    for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
      if (option.longestName().equals("--validation-fraction")) {
        command.append(" --validation-fraction ").append(course.validationFraction());
      }
    }
    return command.toString();
  }

  private void report(
      TrainingResult end, ReformerModel loaded, Corpus.Split split, PrintWriter result) {
    end.evaluation()
        .ifPresent(
            evaluation ->
                result.printf(
                    Locale.ROOT,
                    "held-out text: %.4f bits per byte (%.4f nats) on %,d bytes%n",
                    evaluation.bitsPerByte(),
                    evaluation.loss(),
                    evaluation.bytes()));
    String plot = LossPlot.write(out.resolve(Trainer.METRICS_FILE), out.resolve(LossPlot.FILE));
    Corpus source = split.validation().length() > 0 ? split.validation() : split.train();
    int length =
        (int)
            Math.min(source.length(), Math.min(SAMPLE_PROMPT, loaded.config().maxPositions() / 2));
    int[] prompt = new int[length];
    source.copyIds(0, length, prompt, 0);
    result.println("sample, continuing the first " + length + " bytes of the held-out text:");
    SamplingOptions sampling = SamplingOptions.GREEDY.withTemperature(0.8);
    result.print(new ByteTokenizer().decode(prompt));
    result.print("|");
    Generator generator = new Generator(loaded, new ByteTokenizer());
    GenerateCommand.stream(
        generator, prompt, GenerationOptions.of(SAMPLE_LENGTH, sampling), result);
    result.println(plot);
    result.println("model: " + out);
    String example = text == null ? "public final " : "The ";
    result.println("next: " + new RunFolder(out).generation(example));
  }
}
