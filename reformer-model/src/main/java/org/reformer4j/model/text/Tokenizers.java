package org.reformer4j.model.text;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.ModelFolder;

/** Finds the tokenizer of a checkpoint folder. */
public final class Tokenizers {
  /** The files that hold a tokenizer, the first one found is taken, as Hugging Face does. */
  public static final List<String> FILES = List.of("tokenizer.json", "spiece.model");

  private Tokenizers() {}

  /** Returns the name of the file that {@link #load} reads, if the folder has one. */
  public static Optional<String> fileIn(Path folder) {
    return FILES.stream().filter(name -> Files.isRegularFile(folder.resolve(name))).findFirst();
  }

  /**
   * Loads the tokenizer of a folder, see {@link #load(Path, ReformerConfig)}.
   *
   * @param folder a checkpoint folder, with its config
   */
  public static Tokenizer load(Path folder) {
    return load(folder, ConfigJson.read(folder.resolve(ModelFolder.CONFIG)));
  }

  /**
   * Loads {@code tokenizer.json}, else {@code spiece.model}; without both, a model of {@value
   * ByteTokenizer#VOCABULARY_SIZE} ids reads bytes. A model may have more ids than its tokenizer;
   * they decode to nothing.
   *
   * @param folder a checkpoint folder
   * @param config the model's config, which says how many ids it has
   * @return the tokenizer, with as many ids as the model
   * @throws CheckpointException if there is no tokenizer, its file is damaged, or it has more ids
   *     than the model
   * @throws UnsupportedOperationException if what reads the file is not on the class path or does
   *     not run on this system
   */
  public static Tokenizer load(Path folder, ReformerConfig config) {
    Optional<String> name = fileIn(folder);
    if (name.isPresent()) {
      Path file = folder.resolve(name.get());
      return fitted(provider(file).load(file), config.vocabSize(), file);
    }
    if (config.vocabSize() == ByteTokenizer.VOCABULARY_SIZE) {
      return new ByteTokenizer();
    }
    throw new CheckpointException(
        folder
            + " has no tokenizer: vocab_size "
            + config.vocabSize()
            + " is not the "
            + ByteTokenizer.VOCABULARY_SIZE
            + " of bytes, so one of "
            + FILES
            + " is needed; copy it from where the checkpoint came from");
  }

  private static Tokenizer fitted(Tokenizer tokenizer, int vocabulary, Path file) {
    if (tokenizer.vocabularySize() > vocabulary) {
      throw new CheckpointException(
          file
              + " has "
              + tokenizer.vocabularySize()
              + " ids, the model (vocab_size) only "
              + vocabulary
              + ": it is the tokenizer of another model");
    }
    return tokenizer.vocabularySize() == vocabulary
        ? tokenizer
        : new PaddedTokenizer(tokenizer, vocabulary);
  }

  private static TokenizerProvider provider(Path file) {
    String name = file.getFileName().toString();
    return ServiceLoader.load(TokenizerProvider.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(provider -> provider.fileName().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new UnsupportedOperationException(
                    "nothing on the class path reads "
                        + file
                        + ": add the module reformer-tokenizers"));
  }
}
