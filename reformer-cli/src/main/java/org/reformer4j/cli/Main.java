package org.reformer4j.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.reformer4j.api.BackendUnavailableException;
import org.reformer4j.api.CheckpointException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** Entry point of the {@code reformer} command. */
@Command(
    name = "reformer",
    scope = ScopeType.INHERIT,
    description = {
      "Train, fine-tune, sample and measure Reformer models on the JVM.",
      "A model is a folder in Hugging Face's format: config.json, and model.safetensors or"
          + " pytorch_model.bin."
    },
    subcommands = {
      TrainCommand.class,
      FinetuneCommand.class,
      GenerateCommand.class,
      EvaluateCommand.class,
      PredictCommand.class,
      InferCommand.class,
      ConvertCommand.class,
      InspectCommand.class,
      BenchmarkCommand.class,
      ExperimentCommand.class,
      PlotCommand.class,
      ProveCommand.class,
      DoctorCommand.class
    },
    versionProvider = Version.class,
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:failed while running",
      "2:wrong arguments or input; nothing was changed",
      "130:interrupted; train and finetune save first"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer train                       three minutes on the text of this repository",
      "  reformer train --text book.txt --out runs/book --minutes 15",
      "  reformer generate --model runs/book --prompt \"It was\"",
      "  reformer finetune --model runs/book --task classification --examples train.jsonl --out DIR",
      "  reformer COMMAND --help              all options of a command"
    })
public final class Main implements Runnable {
  static final int FAILED = 1;
  static final int BAD_INPUT = 2;

  @Option(
      names = "--verbose",
      scope = ScopeType.INHERIT,
      description = "Print stack traces of errors.")
  private boolean verbose;

  @Spec private CommandSpec spec;

  /**
   * Runs the command and ends the process.
   *
   * @param args the command line
   */
  public static void main(String[] args) {
    // Plots are drawn without a screen.
    System.setProperty("java.awt.headless", "true");
    // From JDK 22 on there is a console even where output goes to a file, but for this.
    if (System.getProperty("jdk.console") == null) {
      System.setProperty("jdk.console", "java.base");
    }
    System.exit(run(utf8(FileDescriptor.out), utf8(FileDescriptor.err), args));
  }

  /** Texts are UTF-8 whatever the locale: under LC_ALL=C Java would print question marks. */
  private static PrintWriter utf8(FileDescriptor stream) {
    return new PrintWriter(new FileOutputStream(stream), true, StandardCharsets.UTF_8);
  }

  /**
   * Runs the command.
   *
   * @param out for results
   * @param err for errors and progress
   * @param args the command line
   * @return the exit code
   */
  public static int run(PrintWriter out, PrintWriter err, String... args) {
    Main main = new Main();
    CommandLine line = new CommandLine(main);
    line.setOut(out);
    line.setErr(err);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setUsageHelpAutoWidth(true);
    line.setExecutionExceptionHandler(main.executionErrors());
    line.setParameterExceptionHandler(main.parameterErrors());
    line.setExecutionStrategy(
        parsed -> {
          refuseRepeated(parsed);
          return new CommandLine.RunLast().execute(parsed);
        });
    try {
      return line.execute(args);
    } catch (OutOfMemoryError e) {
      main.printError(
          err,
          "out of memory ("
              + e.getMessage()
              + "): make --batch or --context smaller, or give Java more: set"
              + " REFORMER_JAVA_OPTS=-Xmx8g",
          e);
      return FAILED;
    } finally {
      out.flush();
      err.flush();
    }
  }

  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }

  /**
   * Refuses an option that is given twice. picocli does so itself, but not for options of a group:
   * there the second one begins the group again, and what was given of it before is forgotten.
   */
  private static void refuseRepeated(ParseResult parsed) {
    ParseResult last = parsed;
    while (last.hasSubcommand()) {
      last = last.subcommand();
    }
    List<String> args = parsed.originalArgs();
    int end = args.indexOf("--");
    List<String> given = end < 0 ? args : args.subList(0, end);
    for (OptionSpec option : last.commandSpec().options()) {
      List<String> names = List.of(option.names());
      long times =
          given.stream().filter(argument -> names.contains(argument.split("=", 2)[0])).count();
      if (times > 1 && !option.isMultiValue()) {
        throw new ParameterException(
            last.commandSpec().commandLine(),
            "option '" + option.longestName() + "' should be specified only once");
      }
    }
  }

  private IExecutionExceptionHandler executionErrors() {
    return (exception, line, result) -> {
      String message = exception.getMessage();
      printError(line.getErr(), message == null ? exception.toString() : message, exception);
      return isBadInput(exception) ? BAD_INPUT : FAILED;
    };
  }

  private IParameterExceptionHandler parameterErrors() {
    return (ParameterException exception, String[] args) -> {
      CommandLine line = exception.getCommandLine();
      String fix = "try '" + line.getCommandSpec().qualifiedName() + " --help'";
      if (exception instanceof UnmatchedArgumentException unmatched) {
        List<String> similar = unmatched.getSuggestions();
        if (!similar.isEmpty()) {
          fix = "did you mean " + String.join(" or ", similar) + "? Or " + fix;
        }
      }
      printError(line.getErr(), exception.getMessage() + ": " + fix, exception);
      return BAD_INPUT;
    };
  }

  private static boolean isBadInput(Exception exception) {
    return exception instanceof IllegalArgumentException
        || exception instanceof CheckpointException
        || exception instanceof BackendUnavailableException
        || exception instanceof UncheckedIOException;
  }

  /** Prints one line, and with --verbose where it comes from. */
  private void printError(PrintWriter err, String message, Throwable cause) {
    err.println("reformer: error: " + message.strip().replaceAll("\\s*\\R\\s*", " "));
    if (verbose) {
      cause.printStackTrace(err);
    }
  }
}
