package org.reformer4j.model.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.reformer4j.api.CheckpointException;

/**
 * Under which name a folder holds its parameters, in the order in which Hugging Face looks for
 * them.
 */
public enum WeightFiles {
  /** One safetensors file. */
  SAFETENSORS("model.safetensors", SafeTensors::open),
  /** Several safetensors files. */
  SHARDED_SAFETENSORS(
      "model.safetensors.index.json", path -> ShardedTensors.open(path, SafeTensors::open)),
  /** One file of torch. */
  TORCH("pytorch_model.bin", TorchFile::open),
  /** Several files of torch. */
  SHARDED_TORCH("pytorch_model.bin.index.json", path -> ShardedTensors.open(path, TorchFile::open));

  private final String fileName;
  private final Function<Path, StoredTensors> opener;

  WeightFiles(String fileName, Function<Path, StoredTensors> opener) {
    this.fileName = fileName;
    this.opener = opener;
  }

  /** Returns the name of the file, or of the index of several. */
  public String fileName() {
    return fileName;
  }

  /**
   * Returns what Hugging Face would load from a folder.
   *
   * @param folder a model folder
   * @return empty if there are no parameters
   */
  public static Optional<WeightFiles> find(Path folder) {
    return Arrays.stream(values())
        .filter(files -> Files.isRegularFile(folder.resolve(files.fileName)))
        .findFirst();
  }

  /** Returns the names that {@link #find} looks for. */
  public static List<String> fileNames() {
    return Arrays.stream(values()).map(WeightFiles::fileName).toList();
  }

  /**
   * Opens and checks the parameters of a folder.
   *
   * @param folder a model folder
   * @throws CheckpointException if a file is missing or damaged
   */
  public StoredTensors open(Path folder) {
    return opener.apply(folder.resolve(fileName));
  }
}
