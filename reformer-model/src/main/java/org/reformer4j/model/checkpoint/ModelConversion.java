package org.reformer4j.model.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.reformer4j.api.CheckpointException;

/**
 * Rewrites a model folder as safetensors, in another type or another number of files. Works on the
 * stored tensors, so heads that this library does not have come along.
 */
public final class ModelConversion {
  /** What {@link #convert} takes over as it is: tokenizers, and settings of generation. */
  public static final List<String> COMPANIONS =
      List.of(
          "added_tokens.json",
          "generation_config.json",
          "merges.txt",
          "special_tokens_map.json",
          "spiece.model",
          "tokenizer.json",
          "tokenizer_config.json",
          "vocab.json",
          "vocab.txt");

  private ModelConversion() {}

  /**
   * Converts a folder. The constants of attention masks that old checkpoints store are left out,
   * and of the two names of the head's bias {@code lm_head.bias} stays.
   *
   * @param from a model folder in any of the formats of {@link WeightFiles}
   * @param to where to; made if it does not exist, and must hold no model
   * @param type what the parameters are rounded to; empty for the type that all have, or float32 if
   *     they have several
   * @param mostBytes data bytes of a file at most
   * @return the names of the written files
   * @throws CheckpointException if a file is missing, damaged or cannot be written, if the
   *     parameters do not fit the type, or if there is a model in {@code to}
   */
  public static List<String> convert(
      Path from, Path to, Optional<WeightType> type, long mostBytes) {
    ModelFolder model = ModelFolder.open(from);
    List<String> occupied = new ArrayList<>(WeightFiles.fileNames());
    occupied.add(ModelFolder.CONFIG);
    occupied.removeIf(name -> !Files.exists(to.resolve(name)));
    if (!occupied.isEmpty()) {
      throw new CheckpointException(
          to + " holds " + occupied + " already; choose a new folder, nothing was changed");
    }
    StoredTensors weights = model.weights();
    List<String> names = names(from, weights);
    WeightType target = type.orElseGet(() -> commonType(from, weights, names));
    WeightsWriter writer = new WeightsWriter(target);
    for (String name : names) {
      String newName = name.equals(ModelFolder.TIED_BIAS) ? ModelFolder.BIAS : name;
      writer.add(newName, weights.entry(name).shape(), () -> weights.floats(name));
    }
    List<String> written = copyCompanions(from, to);
    written.addAll(writer.write(to, mostBytes));
    // Last: without it nothing takes the folder for a model.
    ConfigJson.write(to.resolve(ModelFolder.CONFIG), ModelFolder.withType(model.config(), target));
    written.add(ModelFolder.CONFIG);
    return written;
  }

  /**
   * Copies the {@link #COMPANIONS} that a folder has.
   *
   * @param from a model folder
   * @param to where to; made if it does not exist
   * @return the names of the copied files
   * @throws CheckpointException if one cannot be copied
   */
  public static List<String> copyCompanions(Path from, Path to) {
    ModelFolder.makeFolder(to);
    List<String> copied = new ArrayList<>();
    for (String name : COMPANIONS) {
      if (Files.isRegularFile(from.resolve(name))) {
        copy(from.resolve(name), to.resolve(name));
        copied.add(name);
      }
    }
    return copied;
  }

  private static List<String> names(Path from, StoredTensors weights) {
    Problems problems = new Problems(from);
    List<String> names = new ArrayList<>(weights.names());
    names.removeIf(ModelFolder::isMaskConstant);
    if (names.contains(ModelFolder.BIAS) && names.remove(ModelFolder.TIED_BIAS)) {
      float[] tied = weights.floats(ModelFolder.TIED_BIAS);
      if (!Arrays.equals(tied, weights.floats(ModelFolder.BIAS))) {
        problems.add(
            ModelFolder.TIED_BIAS
                + " and "
                + ModelFolder.BIAS
                + " should be the same tensor but differ");
      }
    }
    for (String name : names) {
      String dtype = weights.entry(name).dtype();
      if (ElementType.of(dtype).kind() != ElementType.Kind.REAL) {
        problems.add("tensor " + Problems.quote(name) + " of " + dtype + " is no parameter");
      }
    }
    problems.throwIfAny();
    return names;
  }

  /** Returns the type of all, or float32, which holds the others exactly. */
  private static WeightType commonType(Path from, StoredTensors weights, List<String> names) {
    Set<WeightType> types = EnumSet.noneOf(WeightType.class);
    for (String name : names) {
      types.add(
          WeightType.of(weights.entry(name))
              .orElseThrow(
                  () ->
                      new CheckpointException(
                          from
                              + ": tensor "
                              + Problems.quote(name)
                              + " is of "
                              + weights.entry(name).dtype()
                              + ", which a model does not keep; choose float32, float16 or"
                              + " bfloat16 (--dtype)")));
    }
    return types.size() == 1 ? types.iterator().next() : WeightType.FLOAT32;
  }

  private static void copy(Path from, Path to) {
    AtomicFiles.write(
        to,
        channel -> {
          try (FileChannel source = FileChannel.open(from)) {
            transfer(source, channel);
          }
        });
  }

  private static void transfer(FileChannel source, FileChannel target) throws IOException {
    long size = source.size();
    for (long at = 0; at < size; ) {
      long moved = source.transferTo(at, size - at, target);
      if (moved == 0) {
        throw new IOException("the file became shorter while it was copied");
      }
      at += moved;
    }
  }
}
