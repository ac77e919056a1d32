package org.reformer4j.cli;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.ModelOutline;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.Task;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelConversion;
import org.reformer4j.model.checkpoint.ModelFolder;
import org.reformer4j.model.checkpoint.StoredTensors;
import org.reformer4j.model.checkpoint.WeightFiles;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Tokenizers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what is in a model folder and what is not. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    description = {
      "Print what a model folder holds: parameters, types, longest sequence, memory, tokenizer,"
          + " config - and what it lacks. Nothing is run; values are not read."
    },
    footerHeading = "%nExample:%n",
    footer = "  reformer inspect runs/first")
final class InspectCommand implements Callable<Integer> {
  /** Value, gradient and the two moments of Adam, 4 bytes each. */
  private static final int TRAINING_BYTES = 16;

  @Parameters(index = "0", paramLabel = "MODEL", description = "Model folder.")
  private Path folder;

  @Spec private CommandSpec spec;

  private final List<String> lacks = new ArrayList<>();

  @Override
  public Integer call() {
    if (!Files.isDirectory(folder)) {
      throw new IllegalArgumentException(folder + " is no folder: give one that holds a model");
    }
    PrintWriter out = spec.commandLine().getOut();
    Optional<ReformerConfig> config = config();
    Optional<WeightFiles> files = WeightFiles.find(folder);
    Optional<StoredTensors> weights = files.map(found -> found.open(folder));
    if (weights.isEmpty()) {
      lacks.add("parameters: one of " + WeightFiles.fileNames());
    }
    line(out, "folder", folder.toString());
    config.ifPresent(shape -> printShape(out, shape));
    printParameters(out, config, files, weights);
    config.ifPresent(shape -> printMemory(out, shape, task(shape, weights)));
    List<String> companions =
        ModelConversion.COMPANIONS.stream()
            .filter(name -> Files.isRegularFile(folder.resolve(name)))
            .toList();
    config.ifPresent(shape -> line(out, "tokenizer", tokenizer(shape)));
    line(out, "beside", companions.isEmpty() ? "no tokenizer files" : "" + companions);
    if (config.isPresent() && weights.isPresent()) {
      ModelFolder model = ModelFolder.open(folder);
      lacks.addAll(
          model.discrepancies(
              new ModelOutline(config.get(), task(config.get(), weights)).parameters()));
    }
    line(out, "lacks", lacks.isEmpty() ? "nothing" : lacks.get(0));
    lacks.stream().skip(1).forEach(lack -> line(out, "", lack));
    config.ifPresent(
        shape -> out.print("\n" + ModelFolder.CONFIG + "\n" + ConfigJson.toJson(shape)));
    return 0;
  }

  private Optional<ReformerConfig> config() {
    Path file = folder.resolve(ModelFolder.CONFIG);
    if (Files.isRegularFile(file)) {
      return Optional.of(ConfigJson.read(file));
    }
    lacks.add(ModelFolder.CONFIG + ": the shape of the model");
    return Optional.empty();
  }

  private String tokenizer(ReformerConfig config) {
    Optional<String> file = Tokenizers.fileIn(folder);
    if (file.isEmpty() && config.vocabSize() != ByteTokenizer.VOCABULARY_SIZE) {
      return "none: no " + String.join(", no ", Tokenizers.FILES);
    }
    String name = file.map(found -> found + ": ").orElse("");
    try {
      return name + Tokenizers.load(folder, config);
    } catch (CheckpointException | UnsupportedOperationException e) {
      lacks.add("tokenizer: " + e.getMessage());
      return name + "cannot be used";
    }
  }

  /** What is stored decides; without it the architectures that the config names. */
  private static Task task(ReformerConfig config, Optional<StoredTensors> weights) {
    return weights.map(stored -> Task.of(config, stored.names())).orElseGet(() -> Task.of(config));
  }

  private static void printShape(PrintWriter out, ReformerConfig config) {
    line(
        out,
        "model",
        (config.architectures().isEmpty() ? "Reformer" : String.join(", ", config.architectures()))
            + (config.isDecoder() ? ", causal" : ", bidirectional")
            + ", vocabulary "
            + number(config.vocabSize()));
    line(
        out,
        "positions",
        "sequences of up to "
            + number(config.maxPositions())
            + " tokens"
            + (config.axialPosEmbds() ? ", axial " + config.axialPosShape() : ", one row each"));
  }

  private static void printParameters(
      PrintWriter out,
      Optional<ReformerConfig> config,
      Optional<WeightFiles> files,
      Optional<StoredTensors> weights) {
    Map<String, String> types = new TreeMap<>();
    Map<String, Shape> shapes = new TreeMap<>();
    weights.ifPresent(
        stored ->
            stored
                .names()
                .forEach(
                    name -> {
                      types.put(name, stored.entry(name).dtype());
                      shapes.put(name, stored.entry(name).shape());
                    }));
    if (weights.isEmpty() && config.isPresent()) {
      new ModelOutline(config.get(), task(config.get(), weights))
          .parameters()
          .all()
          .forEach(parameter -> shapes.put(parameter.name(), parameter.shape()));
    }
    long count = shapes.values().stream().mapToLong(Shape::elements).sum();
    line(
        out,
        "parameters",
        number(count)
            + files
                .map(
                    found ->
                        ", "
                            + types.values().stream().distinct().sorted().toList()
                            + " in "
                            + found.fileName())
                .orElse(", by the config"));
    out.println();
    int width = shapes.keySet().stream().mapToInt(String::length).max().orElse(0);
    shapes.forEach(
        (name, shape) ->
            out.printf(
                Locale.ROOT,
                "  %-" + Math.max(1, width) + "s  %-4s %-20s %,15d%n",
                name,
                types.getOrDefault(name, "-"),
                shape,
                shape.elements()));
    out.println();
  }

  private static void printMemory(PrintWriter out, ReformerConfig config, Task task) {
    ModelOutline outline = new ModelOutline(config, task);
    long count = outline.parameters().elements();
    line(
        out,
        "memory",
        ByteSize.text(count * Float.BYTES)
            + " of parameters, "
            + ByteSize.text(count * TRAINING_BYTES)
            + " in training (gradients, Adam); and for a sequence of "
            + number(config.maxPositions())
            + " tokens, estimated:");
    for (MemoryPolicy policy : MemoryPolicy.values()) {
      if (policy != MemoryPolicy.AUTO) {
        StringBuilder text = new StringBuilder();
        text.append(String.format(Locale.ROOT, "%-17s", policy));
        for (Precision precision : Precision.values()) {
          long bytes = outline.stepBytes(1, config.maxPositions(), policy, precision);
          text.append(
              String.format(
                  Locale.ROOT,
                  "  %s %s (%s per token)",
                  precision.label(),
                  ByteSize.text(bytes),
                  ByteSize.text(bytes / config.maxPositions())));
        }
        line(out, "", text.toString());
      }
    }
  }

  private static void line(PrintWriter out, String name, String text) {
    out.printf("%-11s %s%n", name, text);
  }

  private static String number(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }
}
