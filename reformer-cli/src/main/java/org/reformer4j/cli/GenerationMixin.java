package org.reformer4j.cli;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.model.generate.BeamOptions;
import org.reformer4j.model.generate.BeamOptions.EarlyStopping;
import org.reformer4j.model.generate.GenerationOptions;
import org.reformer4j.model.generate.SamplingOptions;
import picocli.CommandLine.Option;

/** How a text is continued; names as in Hugging Face's GenerationConfig. */
final class GenerationMixin {
  private static final double TEMPERATURE = 0.8;

  @Option(
      names = "--max-new-tokens",
      paramLabel = "N",
      defaultValue = "200",
      description = "Most tokens to add (default: ${DEFAULT-VALUE}).")
  private int maxNewTokens;

  @Option(
      names = "--min-new-tokens",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Bar the model's end token until N tokens were added; --stop ends a text all the same.")
  private int minNewTokens;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      description =
          "0 takes the likeliest token, 1 the model's own mix (default: "
              + TEMPERATURE
              + "; with --num-beams always 0).")
  private Double temperature;

  @Option(
      names = "--greedy",
      description = "Always take the likeliest token; the same as --temperature 0.")
  private boolean greedy;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "0",
      description = "Choose among the K likeliest tokens, 0 for all (default: ${DEFAULT-VALUE}).")
  private int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "1",
      description =
          "Choose among the likeliest tokens that have mass P together (default: ${DEFAULT-VALUE}).")
  private double topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      defaultValue = "0",
      description =
          "Choose among tokens at least P times as likely as the likeliest (default:"
              + " ${DEFAULT-VALUE}).")
  private double minP;

  @Option(
      names = "--typical-p",
      paramLabel = "P",
      defaultValue = "1",
      description =
          "Choose among the most typical tokens that have mass P together (default:"
              + " ${DEFAULT-VALUE}).")
  private double typicalP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      defaultValue = "1",
      description =
          "Over 1 makes tokens of the text so far less likely (default: ${DEFAULT-VALUE}).")
  private double repetitionPenalty;

  @Option(
      names = "--no-repeat-ngram-size",
      paramLabel = "N",
      defaultValue = "0",
      description = "No N tokens come twice in the same order, 0 for no limit.")
  private int noRepeatNgramSize;

  @Option(
      names = "--num-beams",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Follow N texts at once and give the likeliest; draws nothing (default:"
              + " ${DEFAULT-VALUE}).")
  private int numBeams;

  @Option(
      names = "--length-penalty",
      paramLabel = "X",
      description = "With beams: over 0 favours longer texts, under 0 shorter ones (default: 1).")
  private Double lengthPenalty;

  @Option(
      names = "--early-stopping",
      paramLabel = "WHEN",
      description = "With beams: when to end, ${COMPLETION-CANDIDATES} (default: HEURISTIC).")
  private EarlyStopping earlyStopping;

  @Option(
      names = "--num-sequences",
      paramLabel = "N",
      defaultValue = "1",
      description = "Print N texts: drawn ones, or the best of the beams.")
  private int numSequences;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End before this text; may be given several times.")
  private final List<String> stops = new ArrayList<>();

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Equal seeds give equal texts (default: ${DEFAULT-VALUE}).")
  private long seed;

  /**
   * Returns the options, without stop tokens.
   *
   * @throws IllegalArgumentException if one is out of range or excludes another
   */
  GenerationOptions options() {
    boolean beams = numBeams > 1;
    checkCombinations(beams);
    double warmth = temperature != null ? temperature : TEMPERATURE;
    SamplingOptions sampling =
        SamplingOptions.GREEDY
            .withTemperature(greedy || beams ? 0 : warmth)
            .withTopK(topK)
            .withTopP(topP)
            .withMinP(minP)
            .withTypicalP(typicalP)
            .withRepetitionPenalty(repetitionPenalty)
            .withNoRepeatNgramSize(noRepeatNgramSize)
            .withSeed(seed);
    BeamOptions search = BeamOptions.of(numBeams);
    search = lengthPenalty == null ? search : search.withLengthPenalty(lengthPenalty);
    search = earlyStopping == null ? search : search.withEarlyStopping(earlyStopping);
    return GenerationOptions.of(maxNewTokens, sampling)
        .withMinNewTokens(minNewTokens)
        .withBeams(search)
        .withNumReturnSequences(numSequences)
        .withStopStrings(stops.toArray(String[]::new));
  }

  private void checkCombinations(boolean beams) {
    List<String> drawing = drawing();
    if (beams && !drawing.isEmpty()) {
      throw new IllegalArgumentException(
          "--num-beams looks for the likeliest texts and draws nothing: leave out "
              + String.join(", ", drawing));
    }
    if (beams && numSequences > numBeams) {
      throw new IllegalArgumentException(
          "--num-sequences must be at most --num-beams, " + numBeams + ", got " + numSequences);
    }
    boolean likeliest = greedy || (temperature != null && temperature == 0);
    if (!beams && likeliest && numSequences > 1) {
      throw new IllegalArgumentException(
          "--num-sequences is "
              + numSequences
              + ", but the likeliest tokens give one text only: set --temperature over 0, or"
              + " --num-beams");
    }
    if (!beams && (lengthPenalty != null || earlyStopping != null)) {
      throw new IllegalArgumentException(
          (lengthPenalty != null ? "--length-penalty" : "--early-stopping")
              + " is for beam search: set --num-beams over 1, or leave it out");
    }
  }

  /** Returns which options were given that say how tokens are drawn. */
  private List<String> drawing() {
    List<String> names = new ArrayList<>();
    if (temperature != null && temperature != 0) {
      names.add("--temperature");
    }
    if (topK != 0) {
      names.add("--top-k");
    }
    if (topP != 1) {
      names.add("--top-p");
    }
    if (minP != 0) {
      names.add("--min-p");
    }
    if (typicalP != 1) {
      names.add("--typical-p");
    }
    return names;
  }
}
