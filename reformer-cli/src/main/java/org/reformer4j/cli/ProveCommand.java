package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendStatus;
import org.reformer4j.model.Backends;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.prove.DepthDrift;
import org.reformer4j.model.prove.ModelProofs;
import org.reformer4j.model.prove.Proof;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Checks the library's promises on the user's own machine and model. */
@Command(
    name = "prove",
    mixinStandardHelpOptions = true,
    description =
        "Compare what a language model gives in ways that should agree, on this machine: rebuilt and"
            + " stored, alone and in a batch, cached and not, here and on the other backends.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer prove                                       a new model of the options' size",
      "  reformer prove --residual-arithmetic float           with streams that round",
      "  reformer prove --model runs/first --tokens 1000      a trained one",
      "  reformer prove --depths 6,24,96                      what rounding costs deep models"
    })
final class ProveCommand implements Callable<Integer> {
  private static final String BROKEN = "  <- BROKEN, please report it";

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "Model folder (default: a new model of the size that the options below give).")
  private Path model;

  @Option(
      names = "--tokens",
      paramLabel = "N",
      defaultValue = "512",
      description = "Longest sequence, at most the model's positions (default: ${DEFAULT-VALUE}).")
  private int tokens;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Decides tokens and a new model's weights (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--depths",
      split = ",",
      paramLabel = "L",
      description =
          "Instead of the comparisons, measure on new models of these depths, such as 6,24,96, how"
              + " far rebuilt inputs and gradients are from stored ones, for every kind of stream"
              + " and precision that the backend has.")
  private List<Integer> depths = List.of();

  @ArgGroup(validate = false, heading = "%nA new model:%n")
  private ModelOptions options = new ModelOptions();

  @Mixin private BackendMixin backends;
  @Mixin private PrecisionMixin precision;
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    if (!depths.isEmpty()) {
      return drift(out, err);
    }
    List<Backend> others = new ArrayList<>();
    try (Backend backend = backends.open(err);
        ReformerModel loaded =
            model == null
                ? ReformerModel.create(options.config(), backend, precision.precision(), seed)
                : ReformerModel.load(model, backend, precision.precision())) {
      int length = Math.min(tokens, loaded.config().maxPositions());
      ModelProofs proofs = new ModelProofs(loaded, length, seed);
      for (BackendStatus status : Backends.statuses()) {
        if (status.available() && !status.name().equals(backend.name())) {
          Backend other = Backends.open(status.name(), backends.options()).backend();
          if (other.activationTypes().contains(loaded.precision().activations())) {
            others.add(other);
          } else {
            other.close();
          }
        }
      }
      List<Proof> all = proofs.run(others);
      boolean broken = false;
      out.printf(Locale.ROOT, "%-9s %-12s %s%n", "promised", "found", "on " + length + " tokens");
      for (Proof proof : all) {
        broken |= proof.broken();
        out.printf(
            Locale.ROOT,
            "%-9s %-12s %s (%s)%s%n",
            proof.exact() ? "exact" : "-",
            number(proof.difference()),
            proof.claim(),
            proof.unit(),
            proof.broken() ? BROKEN : "");
      }
      return broken ? Main.FAILED : 0;
    } finally {
      others.forEach(Backend::close);
    }
  }

  private int drift(PrintWriter out, PrintWriter err) {
    if (model != null) {
      throw new IllegalArgumentException(
          "--depths makes new models: leave --model out, and give their size by the options");
    }
    ReformerConfig config = options.config();
    int length = Math.min(tokens, config.maxPositions());
    boolean broken = false;
    try (Backend backend = backends.open(err)) {
      out.printf(
          Locale.ROOT,
          "%-6s  %-11s  %-8s  %-9s  %-9s  on %d tokens: |rebuilt - stored| / |stored|%n",
          "layers",
          "streams",
          "branches",
          "inputs",
          "gradients",
          length);
      for (int layers : depths) {
        for (ResidualArithmetic arithmetic : ResidualArithmetic.values()) {
          for (Precision kind : Precision.values()) {
            if (backend.activationTypes().contains(kind.activations())) {
              DepthDrift drift =
                  DepthDrift.measure(config, layers, kind, arithmetic, backend, length, seed);
              broken |= drift.broken();
              out.printf(
                  Locale.ROOT,
                  "%-6d  %-11s  %-8s  %-9s  %-9s%s%n",
                  layers,
                  arithmetic.configName(),
                  kind.label(),
                  number(drift.inputs()),
                  number(drift.gradients()),
                  drift.broken() ? BROKEN : "");
              out.flush();
            }
          }
        }
      }
    }
    return broken ? Main.FAILED : 0;
  }

  /** Returns 0 for nothing else. */
  private static String number(double difference) {
    return difference == 0 ? "0" : String.format(Locale.ROOT, "%.3g", difference);
  }
}
