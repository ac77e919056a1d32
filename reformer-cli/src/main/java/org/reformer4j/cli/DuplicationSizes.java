package org.reformer4j.cli;

import org.reformer4j.api.LshSelection;
import org.reformer4j.model.Dialect;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.experiment.DuplicationOptions;
import picocli.CommandLine.Option;

/** Size of a duplication experiment: that of a preset, but for the options given. */
final class DuplicationSizes {
  @Option(
      names = "--paper",
      description =
          "Start from the paper's size: --length 1024 --hidden 256 --heads 4 --ff 256 --chunk 64"
              + " --steps 150000 --batch 64. Takes weeks without a GPU.")
  private boolean paper;

  @Option(
      names = "--length",
      paramLabel = "T",
      description = "Tokens of 0 w 0 w, an even number (default: 256).")
  private Integer length;

  @Option(names = "--hidden", paramLabel = "D", description = "Hidden size (default: 128).")
  private Integer hidden;

  @Option(names = "--heads", paramLabel = "H", description = "Attention heads (default: 4).")
  private Integer heads;

  @Option(names = "--ff", paramLabel = "F", description = "Feed-forward size (default: 128).")
  private Integer feedForward;

  @Option(
      names = {"--chunk", "--chunk-length"},
      paramLabel = "C",
      description = "Chunk length of LSH attention (default: 16).")
  private Integer chunk;

  @Option(names = "--steps", paramLabel = "N", description = "Updates (default: 600).")
  private Integer steps;

  @Option(
      names = "--batch",
      paramLabel = "B",
      description = "New sequences in every update (default: 16).")
  private Integer batch;

  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      description = "Peak learning rate (default: 0.002; 0.001 with --paper).")
  private Double learningRate;

  @Option(
      names = "--evaluation-sequences",
      paramLabel = "N",
      description = "Sequences that a cell is measured on (default: 128).")
  private Integer evaluationSequences;

  @Option(
      names = "--selection",
      paramLabel = "KIND",
      defaultValue = "sorted",
      description =
          "Which hashed tokens LSH attention sees: sorted, as in the paper, with 2 T/C buckets and a"
              + " chunk before; or causal, the past alone decides, with T/2C buckets and two chunks"
              + " before (default: ${DEFAULT-VALUE}).")
  private String selection;

  @Option(
      names = "--residual-arithmetic",
      paramLabel = "KIND",
      defaultValue = "float",
      description =
          "float, or fixed_point: streams that the backward pass rebuilds bit for bit"
              + " (default: ${DEFAULT-VALUE}).")
  private String residualArithmetic;

  DuplicationOptions options() {
    DuplicationOptions preset = paper ? DuplicationOptions.PAPER : DuplicationOptions.SMALL;
    return new DuplicationOptions(
        given(length, preset.length()),
        given(hidden, preset.hiddenSize()),
        given(heads, preset.heads()),
        given(feedForward, preset.feedForwardSize()),
        given(chunk, preset.chunkLength()),
        given(steps, preset.steps()),
        given(batch, preset.batch()),
        given(learningRate, preset.learningRate()),
        given(evaluationSequences, preset.evaluationSequences()),
        Dialect.fromConfigName(LshSelection.class, selection),
        ResidualArithmetic.fromConfigName(residualArithmetic));
  }

  private static <T> T given(T option, T preset) {
    return option != null ? option : preset;
  }
}
