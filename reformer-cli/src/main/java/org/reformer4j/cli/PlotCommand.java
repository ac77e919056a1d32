package org.reformer4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.reformer4j.model.train.Trainer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Draws trainings into one plot. */
@Command(
    name = "plot",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Draw the held-out loss of several trainings on text into one plot.",
      "A training's folder holds it as often as 'train --evaluate-every' says."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  reformer plot runs/first runs/second --out loss.png",
      "  reformer plot \"one round=runs/a0,runs/a1\" \"two rounds=runs/b0,runs/b1\" --out loss.png"
    })
final class PlotCommand implements Callable<Integer> {
  @Parameters(
      arity = "1..*",
      paramLabel = "[NAME=]DIR[,DIR...]",
      description =
          "Folder of a training, or several, of which the mean is drawn; the name stands in the"
              + " legend (default: that of the folder).")
  private List<String> curves;

  @Option(
      names = "--title",
      paramLabel = "TEXT",
      defaultValue = "Loss on held-out text",
      description = "Title of the plot (default: ${DEFAULT-VALUE}).")
  private String title;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "The plot, a PNG file; its name ends in .png.")
  private Path out;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    if (!out.toString().endsWith(".png")) {
      throw new IllegalArgumentException("--out must end in .png, got " + out);
    }
    Map<String, LossCurve> named = new LinkedHashMap<>();
    for (String curve : curves) {
      int equals = curve.indexOf('=');
      String folders = curve.substring(equals + 1);
      String name =
          equals < 0 ? String.valueOf(Path.of(folders).getFileName()) : curve.substring(0, equals);
      if (named.put(name, curve(folders)) != null) {
        throw new IllegalArgumentException(
            "two curves have the name '" + name + "': give them others, as NAME=DIR");
      }
    }
    LossPlot.compare(title, named, out);
    spec.commandLine().getOut().println("plot: " + out);
    return 0;
  }

  private static LossCurve curve(String folders) throws IOException {
    List<LossCurve> parts = new ArrayList<>();
    for (String folder : folders.split(",")) {
      Path metrics = Path.of(folder, Trainer.METRICS_FILE);
      if (!Files.exists(metrics)) {
        throw new IllegalArgumentException(metrics + " does not exist: name a training's folder");
      }
      LossCurve heldOut = LossCurve.read(metrics, LossCurve.HELD_OUT);
      if (heldOut.isEmpty()) {
        throw new IllegalArgumentException(
            metrics + " holds no loss on held-out text: train with --evaluate-every");
      }
      parts.add(heldOut);
    }
    return LossCurve.mean(parts);
  }
}
