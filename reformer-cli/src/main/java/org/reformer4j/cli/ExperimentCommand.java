package org.reformer4j.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Experiments of the papers. */
@Command(
    name = "experiment",
    mixinStandardHelpOptions = true,
    description = "Repeat an experiment of the Reformer paper.",
    synopsisSubcommandLabel = "EXPERIMENT",
    subcommands = DuplicationCommand.class,
    footerHeading = "%nExamples:%n",
    footer = "  reformer experiment duplication")
final class ExperimentCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }
}
