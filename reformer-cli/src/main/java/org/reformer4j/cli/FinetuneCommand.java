package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Task;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelConversion;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.train.LabelledExamples;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;
import org.reformer4j.model.train.TrainingResult;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a pretrained model for a task. */
@Command(
    name = "finetune",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Train a pretrained model for a task, on labelled examples.",
      "Its encoder is taken over; a head that it lacks is newly initialised and named. Examples are"
          + " a JSON object per line, with \"ids\" (token ids) or \"text\", and for the task:",
      "  classification: \"label\", a name or number; a list of names, or of 0 and 1 for every class,"
          + " where several can apply; a number or list of numbers for regression",
      "  token-classification: \"labels\", a name or number for each token, null for none",
      "  question-answering: \"start\" and \"end\", tokens of the answer; or instead of all these"
          + " \"question\", \"context\", \"answer\" and \"answer_start\" as in SQuAD, question and"
          + " context being joined with nothing between",
      "  embedding: \"pair\", a second text or list of ids that means the same",
      "  language-model: nothing for a causal model; \"labels\", the token under each mask and null"
          + " elsewhere, for a masked one",
      "The output folder gets the model with its tokenizer, metrics.jsonl, and training.safetensors,"
          + " from which --resume goes on with the same bits."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer finetune --model runs/first --task classification --examples train.jsonl"
          + " --eval-examples test.jsonl --out runs/classifier",
      "  reformer finetune --resume --out runs/classifier --examples train.jsonl"
          + " --eval-examples test.jsonl"
    })
final class FinetuneCommand implements Callable<Integer> {
  /** Options that a resumed training takes from the command line; all others were saved. */
  private static final Set<String> USED_WITH_RESUME =
      Set.of(
          "--resume",
          "--out",
          "--examples",
          "--eval-examples",
          "--validation-fraction",
          "--backend",
          "--threads",
          "--verbose");

  private static final double USUAL_EPOCHS = 3;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "Pretrained model folder; not needed with --resume.")
  private Path model;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskName.Converter.class,
      description =
          "classification, token-classification, question-answering, embedding or language-model;"
              + " not needed with --resume.")
  private TaskName task;

  @Option(
      names = "--examples",
      required = true,
      paramLabel = "FILE",
      description = "Examples to learn.")
  private Path examples;

  @Option(
      names = "--eval-examples",
      paramLabel = "FILE",
      description = "Held-out examples (default: some of --examples, see --validation-fraction).")
  private Path heldOut;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Folder of the results.")
  private Path out;

  @Option(
      names = "--resume",
      description =
          "Go on with the training in --out; give the examples as before, other options are"
              + " ignored.")
  private boolean resume;

  @Option(
      names = "--labels",
      split = ",",
      paramLabel = "NAME",
      description =
          "Names of the classes, with commas between (default: those of a model that has this head,"
              + " else those of the examples in alphabetical order).")
  private List<String> labels;

  @Option(
      names = "--problem-type",
      paramLabel = "TYPE",
      description =
          "Of classification: single_label_classification, multi_label_classification or regression"
              + " (default: by the examples).")
  private ProblemType problem;

  @Option(
      names = "--epochs",
      paramLabel = "X",
      description =
          "How often every example is seen, instead of --steps or --minutes (default: 3).")
  private Double epochs;

  @ArgGroup(validate = false, heading = "%nTraining:%n")
  private CourseOptions course = new CourseOptions();

  @Mixin private BackendMixin backends;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    check();
    ReformerConfig config = resume ? ConfigJson.read(out.resolve(ModelFolder.CONFIG)) : config();
    Task of = resume ? Task.of(config) : task.task();
    ExampleReader reader =
        new ExampleReader(of, config, new ExampleInputs(resume ? out : model, config));
    ExampleSplit split = ExampleSplit.read(reader, examples, heldOut, course.validationFraction());
    Precision precision =
        resume ? Trainer.savedOptions(out).orElseThrow().precision() : course.precision();
    try (Backend backend = backends.open(err);
        ReformerModel loaded =
            resume
                ? ReformerModel.create(config, of, backend, precision, course.seed())
                : ReformerModel.loadForTask(model, config, of, backend, precision, course.seed())) {
      TrainingOptions options = options(loaded, split, err);
      describe(loaded, split, options, err);
      TrainingResult end =
          TrainingRun.run(
              listener -> trainer(loaded, split, options, listener),
              resume,
              new Progress(err, Progress.onTerminal(), true),
              resumption(),
              err);
      if (!end.stopped()) {
        report(end, of, split.heldOut());
      }
    }
    return 0;
  }

  private void check() {
    course.check();
    course.startsFromPretrained();
    RunFolder folder = new RunFolder(out);
    if (resume) {
      folder.requireTraining();
      TrainingRun.noteIgnored(spec, USED_WITH_RESUME);
    } else {
      if (model == null || task == null) {
        throw new IllegalArgumentException(
            "give --model, the pretrained folder, and --task, what to train it for");
      }
      folder.requireUnused(prediction());
    }
    if (epochs != null && (course.saysHowLong() || !(epochs > 0))) {
      throw new IllegalArgumentException(
          "--epochs must be greater than 0, and excludes --steps and --minutes");
    }
    if (!(course.validationFraction() >= 0 && course.validationFraction() < 1)) {
      throw new IllegalArgumentException(
          "--validation-fraction must be in [0, 1), got " + course.validationFraction());
    }
  }

  /** Returns the config of the model with its new head. */
  private ReformerConfig config() {
    ModelFolder files = ModelFolder.open(model);
    ReformerConfig config = files.config();
    boolean hasHead = Task.of(config, files.names()) == task.task();
    return LabelSurvey.config(config, task.task(), examples, labels, problem, hasHead);
  }

  private Trainer trainer(
      ReformerModel loaded,
      ExampleSplit split,
      TrainingOptions options,
      TrainingListener listener) {
    Trainer trainer = new Trainer(loaded, split.learnt(), split.heldOut(), options, out, listener);
    if (!resume) {
      // Before the first step, for whoever resumes; and after everything has been checked.
      ModelConversion.copyCompanions(model, out);
    }
    return trainer;
  }

  private TrainingOptions options(ReformerModel loaded, ExampleSplit split, PrintWriter err) {
    if (resume) {
      return Trainer.savedOptions(out).orElseThrow();
    }
    if (course.saysHowLong()) {
      return course.options(
          split.longest(),
          probe ->
              new Trainer(
                  loaded, split.learnt(), split.heldOut(), probe, out, TrainingListener.NONE),
          err);
    }
    double times = epochs == null ? USUAL_EPOCHS : epochs;
    return course.options(course.stepsOf(times, split.learnt().size()), split.longest());
  }

  private void describe(
      ReformerModel loaded, ExampleSplit split, TrainingOptions options, PrintWriter err) {
    ReformerConfig config = loaded.config();
    if (loaded.task() == Task.SEQUENCE_CLASSIFICATION
        || loaded.task() == Task.TOKEN_CLASSIFICATION) {
      err.println(
          config.numLabels()
              + " labels"
              + config.problemType().map(type -> " of " + type.configName()).orElse("")
              + ": "
              + ExampleReader.names(config));
    }
    if (!resume) {
      err.println(model + ": " + loaded.loadReport());
    }
    err.printf(
        Locale.ROOT,
        "%,d parameters; %,d examples to learn, %,d held out, of at most %,d tokens; %,d steps of"
            + " %,d examples%n",
        loaded.parameters().elements(),
        split.learnt().size(),
        split.heldOut().size(),
        options.batch().contextLength(),
        options.rate().totalSteps(),
        options.batch().windows());
  }

  private void report(TrainingResult end, Task of, LabelledExamples tested) {
    PrintWriter result = spec.commandLine().getOut();
    end.evaluation()
        .ifPresent(
            report ->
                result.println("held-out examples: " + Progress.measured(report, tested.size())));
    result.println("model: " + out);
    result.println(
        "next: "
            + (of == Task.LANGUAGE_MODEL ? new RunFolder(out).generation("The ") : prediction()));
  }

  private String prediction() {
    return "./reformer predict --model "
        + RunFolder.quote(out.toString())
        + " --examples "
        + RunFolder.quote((heldOut == null ? examples : heldOut).toString());
  }

  /** Returns the command that goes on with this training. */
  private String resumption() {
    String command =
        "./reformer finetune --resume --out "
            + RunFolder.quote(out.toString())
            + " --examples "
            + RunFolder.quote(examples.toString());
    return heldOut != null
        ? command + " --eval-examples " + RunFolder.quote(heldOut.toString())
        : command + " --validation-fraction " + course.validationFraction();
  }
}
