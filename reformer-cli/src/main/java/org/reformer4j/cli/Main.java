package org.reformer4j.cli;

import java.io.PrintWriter;
import java.io.UncheckedIOException;
import org.reformer4j.api.BackendUnavailableException;
import org.reformer4j.api.CheckpointException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** Entry point of the {@code reformer} command. */
@Command(
    name = "reformer",
    description = {
      "Train, sample and measure Reformer language models on the JVM.",
      "A model is a folder in Hugging Face's format: config.json and model.safetensors."
    },
    subcommands = {
      TrainCommand.class,
      GenerateCommand.class,
      EvaluateCommand.class,
      InferCommand.class,
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
      "130:interrupted; train saves first"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer train                       three minutes on the text of this repository",
      "  reformer train --text book.txt --out runs/book --minutes 15",
      "  reformer generate --model runs/book --prompt \"It was\"",
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
    int code = run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), args);
    System.exit(code);
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
    line.setParameterExceptionHandler(parameterErrors());
    return line.execute(args);
  }

  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }

  private IExecutionExceptionHandler executionErrors() {
    return (exception, line, result) -> {
      PrintWriter err = line.getErr();
      err.println("reformer: error: " + oneLine(exception));
      if (verbose) {
        exception.printStackTrace(err);
      }
      return isBadInput(exception) ? BAD_INPUT : FAILED;
    };
  }

  private static IParameterExceptionHandler parameterErrors() {
    return (ParameterException exception, String[] args) -> {
      CommandLine line = exception.getCommandLine();
      line.getErr().println("reformer: error: " + oneLine(exception));
      line.getErr().println("Try '" + line.getCommandSpec().qualifiedName() + " --help'.");
      return BAD_INPUT;
    };
  }

  private static boolean isBadInput(Exception exception) {
    return exception instanceof IllegalArgumentException
        || exception instanceof CheckpointException
        || exception instanceof BackendUnavailableException
        || exception instanceof UncheckedIOException;
  }

  private static String oneLine(Exception exception) {
    String message = exception.getMessage();
    String text = message == null ? exception.toString() : message;
    return text.replaceAll("\\s*\\R\\s*", " ");
  }
}
