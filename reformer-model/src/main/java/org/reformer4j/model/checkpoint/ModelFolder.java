package org.reformer4j.model.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.LoadReport;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ParameterSet;
import org.reformer4j.model.ReformerConfig;

/**
 * A folder as Hugging Face's {@code save_pretrained} writes it: {@code config.json} and parameters
 * under {@code state_dict} names, in one of the {@link WeightFiles}.
 */
public final class ModelFolder {
  /** Name of the config file. */
  public static final String CONFIG = "config.json";

  /** Name of the parameter file that is written. */
  public static final String WEIGHTS = "model.safetensors";

  /** Where a config says the type of the parameters: in all versions, and in those from 5 on. */
  private static final List<String> TYPE_FIELDS = List.of("torch_dtype", "dtype");

  private static final String BASE_PREFIX = "reformer.";
  static final String BIAS = "lm_head.bias";
  static final String TIED_BIAS = "lm_head.decoder.bias";

  /** Constants that old checkpoints store in every attention layer. */
  private static final List<String> MASK_BUFFERS =
      List.of(
          ".mask_value_float16",
          ".mask_value_float32",
          ".self_mask_value_float16",
          ".self_mask_value_float32");

  private final Path folder;
  private final ReformerConfig config;
  private final WeightFiles files;
  private final StoredTensors weights;

  private ModelFolder(Path folder, ReformerConfig config, WeightFiles files) {
    this.folder = folder;
    this.config = config;
    this.files = files;
    this.weights = files.open(folder);
  }

  /**
   * Opens a folder and checks its files.
   *
   * @param folder where the files are
   * @throws CheckpointException if one is missing or damaged
   */
  public static ModelFolder open(Path folder) {
    List<String> missing = new ArrayList<>();
    if (!Files.isRegularFile(folder.resolve(CONFIG))) {
      missing.add(CONFIG);
    }
    Optional<WeightFiles> files = WeightFiles.find(folder);
    if (files.isEmpty()) {
      missing.add(WEIGHTS + " (or another of " + WeightFiles.fileNames() + ")");
    }
    if (!missing.isEmpty()) {
      throw new CheckpointException(
          "model folder "
              + folder
              + " lacks "
              + missing
              + ": give the folder that 'reformer train' or save_pretrained wrote");
    }
    return new ModelFolder(folder, ConfigJson.read(folder.resolve(CONFIG)), files.orElseThrow());
  }

  /** Returns the config. */
  public ReformerConfig config() {
    return config;
  }

  /** Returns under which names the parameters are stored. */
  public WeightFiles files() {
    return files;
  }

  /** Returns the stored parameters. */
  public StoredTensors weights() {
    return weights;
  }

  /** Returns the names under which parameters are stored. */
  public Set<String> names() {
    return new LinkedHashSet<>(weights.names());
  }

  /**
   * Reads what the model declared and the folder holds, as Hugging Face's {@code from_pretrained}
   * does for another head; otherwise as {@link #loadInto(ParameterSet, Backend)}.
   *
   * @param parameters what the model declared; those that are missing keep their values
   * @param backend where the values go
   * @param mayBeMissing names of the head's parameters
   * @return what is missing, and what the model has no place for
   * @throws CheckpointException listing every other missing and every mis-shaped parameter
   */
  public LoadReport loadKnown(
      ParameterSet parameters, Backend backend, Predicate<String> mayBeMissing) {
    List<String> missing = new ArrayList<>();
    for (Parameter parameter : parameters.all()) {
      if (mayBeMissing.test(parameter.name()) && storedName(parameter.name()) == null) {
        missing.add(parameter.name());
      }
    }
    return new LoadReport(missing, load(parameters, backend, Set.copyOf(missing), true));
  }

  /**
   * Returns every missing, unexpected and mis-shaped parameter, in words.
   *
   * @param parameters what the model declared
   */
  public List<String> discrepancies(ParameterSet parameters) {
    Set<String> unread = new LinkedHashSet<>();
    List<String> problems = problems(parameters, Set.of(), unread);
    unread.forEach(name -> problems.add(unexpected(name)));
    return problems;
  }

  private String unexpected(String name) {
    return "unexpected " + name + weights.entry(name).shape();
  }

  /** Returns what hinders reading all but the parameters left; fills in what would not be read. */
  private List<String> problems(ParameterSet parameters, Set<String> left, Set<String> unread) {
    List<String> problems = new ArrayList<>();
    unread.addAll(weights.names());
    unread.removeIf(ModelFolder::isMaskConstant);
    for (Parameter parameter : parameters.all()) {
      String stored = storedName(parameter.name());
      if (left.contains(parameter.name())) {
        continue;
      }
      if (stored == null) {
        problems.add("missing " + parameter);
      } else {
        unread.remove(stored);
        if (!weights.entry(stored).shape().equals(parameter.shape())) {
          problems.add(
              "mis-shaped "
                  + stored
                  + ": expected "
                  + parameter.shape()
                  + ", found "
                  + weights.entry(stored).shape());
        }
      }
    }
    if (unread.contains(TIED_BIAS) && weights.contains(BIAS)) {
      unread.remove(TIED_BIAS);
      if (!Arrays.equals(weights.floats(TIED_BIAS), weights.floats(BIAS))) {
        problems.add(TIED_BIAS + " and " + BIAS + " should be the same tensor but differ");
      }
    }
    return problems;
  }

  /**
   * Reads all parameters. A base model's names may lack the prefix {@code reformer.}, the head's
   * bias may be stored as {@code lm_head.decoder.bias}, and the mask constants of old checkpoints
   * are ignored.
   *
   * @param parameters what the model declared
   * @param backend where the values go
   * @throws CheckpointException listing every missing, unexpected and mis-shaped parameter
   */
  public void loadInto(ParameterSet parameters, Backend backend) {
    load(parameters, backend, Set.of(), false);
  }

  /** Returns what was not read, which is an error unless allowed. */
  private List<String> load(
      ParameterSet parameters, Backend backend, Set<String> left, boolean unreadAllowed) {
    Set<String> unread = new LinkedHashSet<>();
    List<String> problems = problems(parameters, left, unread);
    if (!unreadAllowed) {
      unread.forEach(name -> problems.add(unexpected(name)));
    }
    if (!problems.isEmpty()) {
      throw new CheckpointException(
          folder.resolve(files.fileName())
              + " does not fit "
              + CONFIG
              + " (architectures "
              + config.architectures()
              + "): "
              + String.join("; ", problems));
    }
    for (Parameter parameter : parameters.all()) {
      if (!left.contains(parameter.name())) {
        backend.upload(parameter.value(), weights.floats(storedName(parameter.name())));
      }
    }
    parameters.refresh(backend);
    return List.copyOf(unread);
  }

  /** Returns whether a tensor is a constant of old checkpoints, which means nothing here. */
  static boolean isMaskConstant(String name) {
    return MASK_BUFFERS.stream().anyMatch(name::endsWith);
  }

  /** Returns the name under which a parameter is stored, or null. */
  private String storedName(String name) {
    if (weights.contains(name)) {
      return name;
    }
    if (name.equals(BIAS) && weights.contains(TIED_BIAS)) {
      return TIED_BIAS;
    }
    if (name.startsWith(BASE_PREFIX)) {
      String bare = name.substring(BASE_PREFIX.length());
      return weights.contains(bare) ? bare : null;
    }
    return null;
  }

  /**
   * Writes both files, in float32.
   *
   * @param folder made if it does not exist
   * @param config the config
   * @param parameters the parameters
   * @param backend where the values are
   */
  public static void save(
      Path folder, ReformerConfig config, ParameterSet parameters, Backend backend) {
    save(folder, config, parameters, backend, WeightType.FLOAT32);
  }

  /**
   * Writes both files, each beside its final place first, so that a crash leaves a readable folder.
   * Hugging Face's {@code from_pretrained} reads it.
   *
   * @param folder made if it does not exist
   * @param config the config
   * @param parameters the parameters
   * @param backend where the values are
   * @param type what the parameters are rounded to
   * @throws CheckpointException if a file cannot be written, or a parameter exceeds the type
   */
  public static void save(
      Path folder,
      ReformerConfig config,
      ParameterSet parameters,
      Backend backend,
      WeightType type) {
    WeightsWriter writer = new WeightsWriter(type);
    for (Parameter parameter : parameters.all()) {
      writer.add(parameter.name(), parameter.shape(), () -> backend.download(parameter.value()));
    }
    makeFolder(folder);
    ConfigJson.write(folder.resolve(CONFIG), withType(config, type));
    writer.write(folder, WeightsWriter.ONE_FILE);
  }

  static void makeFolder(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new CheckpointException("cannot make the folder " + folder + ": " + e.getMessage(), e);
    }
  }

  /** Returns a config that says the type; float32 need not be said where it was not before. */
  static ReformerConfig withType(ReformerConfig config, WeightType type) {
    Map<String, String> extra = new TreeMap<>(config.extra());
    List<String> fields = new ArrayList<>(TYPE_FIELDS);
    fields.retainAll(extra.keySet());
    if (fields.isEmpty() && type != WeightType.FLOAT32) {
      fields.add(TYPE_FIELDS.get(0));
    }
    fields.forEach(field -> extra.put(field, '"' + type.label() + '"'));
    return config.toBuilder().extra(extra).build();
  }
}
