package org.reformer4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.Batch;
import org.reformer4j.model.text.Tokenizer;
import org.reformer4j.model.train.Example;
import org.reformer4j.model.train.LabelledExamples;

/**
 * Text with masks for a masked language model to see through, as BERT's (Devlin et al. 2019) and
 * Hugging Face's DataCollatorForLanguageModeling: of all tokens 15 % count, of which 80 % become
 * the mask, 10 % any token and 10 % stay.
 */
final class MaskedText {
  private static final double COUNTED = 0.15;
  private static final double MASKED = 0.8;
  private static final double RANDOM = 0.1;

  /** Files in which Hugging Face's tokenizers name their mask. */
  private static final List<String> NAMING =
      List.of("special_tokens_map.json", "tokenizer_config.json");

  private MaskedText() {}

  /**
   * Masks a text.
   *
   * @param ids the text
   * @param length tokens of a window; the last one may have fewer
   * @param mask id of the mask
   * @param vocabulary number of ids
   * @param seed equal seeds give equal masks
   * @return the windows; those without a counted token are left out
   */
  static LabelledExamples windows(int[] ids, int length, int mask, int vocabulary, long seed) {
    Random random = new Random(seed);
    List<Example> windows = new ArrayList<>();
    for (int from = 0; from < ids.length; from += length) {
      int[] window = Arrays.copyOfRange(ids, from, Math.min(ids.length, from + length));
      int[] targets = new int[window.length];
      boolean counts = mask(window, targets, mask, vocabulary, random);
      if (counts) {
        windows.add(Example.ofTokens(window, targets));
      }
    }
    return LabelledExamples.of(windows);
  }

  /** Masks a window in place, fills in its targets and returns whether it has any. */
  static boolean mask(int[] window, int[] targets, int mask, int vocabulary, Random random) {
    boolean counts = false;
    for (int i = 0; i < window.length; i++) {
      boolean counted = random.nextDouble() < COUNTED && window[i] != mask;
      targets[i] = counted ? window[i] : Batch.IGNORE;
      counts |= counted;
      if (counted) {
        double share = random.nextDouble();
        int any = random.nextInt(vocabulary);
        window[i] = share < MASKED ? mask : share < MASKED + RANDOM ? any : window[i];
      }
    }
    return counts;
  }

  /**
   * Returns the id of the mask.
   *
   * @param asked an id, or the text of a token; null for the one that the tokenizer's files name
   * @param folder of the model
   * @param tokenizer of the model
   * @throws IllegalArgumentException if there is none, or it is no single token
   */
  static int mask(String asked, Path folder, Tokenizer tokenizer) {
    if (asked != null && asked.matches("[0-9]{1,9}")) {
      int id = Integer.parseInt(asked);
      if (id >= tokenizer.vocabularySize()) {
        throw new IllegalArgumentException(
            "--mask-token " + id + " is no id of 0.." + (tokenizer.vocabularySize() - 1));
      }
      return id;
    }
    String text = asked == null ? named(folder) : asked;
    if (text == null) {
      throw new IllegalArgumentException(
          "a masked language model is measured on masked tokens, and no tokenizer file of "
              + folder
              + " names the mask: give --mask-token, its id or text");
    }
    int[] ids = tokenizer.encode(text);
    if (ids.length != 1) {
      throw new IllegalArgumentException(
          "the mask '"
              + text
              + "' is "
              + ids.length
              + " tokens of the model instead of one: give --mask-token ID");
    }
    return ids[0];
  }

  private static String named(Path folder) {
    for (String name : NAMING) {
      Path file = folder.resolve(name);
      if (Files.isRegularFile(file)) {
        try {
          JsonNode mask = new ObjectMapper().readTree(file.toFile()).path("mask_token");
          JsonNode text = mask.isObject() ? mask.path("content") : mask;
          if (text.isTextual()) {
            return text.textValue();
          }
        } catch (IOException e) {
          throw new CheckpointException(
              "cannot read the mask token from " + file + ": give --mask-token, or mend the file",
              e);
        }
      }
    }
    return null;
  }
}
