package org.reformer4j.cli;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.Activation;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ResidualArithmetic;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Shape of the model to measure. */
final class BenchmarkModel {
  @Option(
      names = "--hidden",
      paramLabel = "D",
      defaultValue = "256",
      description = "Hidden size (default: ${DEFAULT-VALUE}).")
  int hidden;

  @Option(
      names = "--heads",
      paramLabel = "H",
      defaultValue = "4",
      description = "Attention heads (default: ${DEFAULT-VALUE}).")
  int heads;

  @Option(
      names = "--head-size",
      paramLabel = "K",
      defaultValue = "64",
      description = "Columns of a head (default: ${DEFAULT-VALUE}).")
  int headSize;

  @Option(
      names = "--ff",
      paramLabel = "F",
      description = "Feed-forward size (default: four times the hidden size).")
  Integer feedForward;

  @Option(
      names = "--activation",
      paramLabel = "NAME",
      defaultValue = "relu",
      description =
          "Of the feed-forward: relu, gelu, gelu_new, silu or tanh (default: ${DEFAULT-VALUE}).")
  String activation;

  @Option(
      names = "--layers",
      paramLabel = "N",
      defaultValue = "6",
      description = "Number of layers (default: ${DEFAULT-VALUE}).")
  int layers;

  @Option(
      names = "--kinds",
      split = ",",
      paramLabel = "KIND",
      defaultValue = "local,lsh",
      description = "Kinds of the layers, local or lsh, repeated (default: ${DEFAULT-VALUE}).")
  List<String> kinds;

  @Option(
      names = "--chunk",
      paramLabel = "C",
      defaultValue = "64",
      description = "Chunk length of both kinds (default: ${DEFAULT-VALUE}).")
  int chunk;

  @Option(
      names = "--vocabulary",
      paramLabel = "V",
      defaultValue = "256",
      description = "Tokens (default: ${DEFAULT-VALUE}).")
  int vocabulary;

  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      defaultValue = "float32",
      description =
          "Of activations and products: float32, or bfloat16 with the cuda backend, and with cpu on"
              + " processors that have AVX512_BF16 (default: ${DEFAULT-VALUE}).")
  Precision precision;

  @Option(
      names = "--residual-arithmetic",
      paramLabel = "KIND",
      defaultValue = "float",
      description = "Of the streams: float or fixed_point (default: ${DEFAULT-VALUE}).")
  String residualArithmetic;

  @ArgGroup(validate = false)
  private VariantOptions variant = new VariantOptions();

  /**
   * Returns a causal language model with axial positions; the number of buckets is chosen by
   * length, as in Hugging Face; with causal selection, by the number of positions.
   *
   * @param depth layers
   * @param positions the longest sequence
   */
  ReformerConfig config(int depth, int positions) {
    if (depth < 1) {
      throw new IllegalArgumentException("--layers must be at least 1, got " + depth);
    }
    List<AttentionKind> pattern = new ArrayList<>();
    for (int i = 0; i < depth; i++) {
      pattern.add(AttentionKind.fromConfigName(kinds.get(i % kinds.size())));
    }
    int rows = largestDivisorUpToRoot(positions);
    int quarter = Math.max(1, hidden / 4);
    return variant
        .in(ReformerConfig.builder())
        .residualArithmetic(ResidualArithmetic.fromConfigName(residualArithmetic))
        .attnLayers(pattern)
        .hiddenSize(hidden)
        .numAttentionHeads(heads)
        .attentionHeadSize(headSize)
        .feedForwardSize(feedForward == null ? 4 * hidden : feedForward)
        .vocabSize(vocabulary)
        .hiddenAct(Activation.fromConfigName(activation))
        .isDecoder(true)
        .axialPosEmbds(true)
        .axialPosShape(List.of(rows, positions / rows))
        .axialPosEmbdsDim(List.of(quarter, hidden - quarter))
        .maxPositionEmbeddings(positions)
        .localAttnChunkLength(chunk)
        .lshAttnChunkLength(chunk)
        .hiddenDropoutProb(0)
        .localAttentionProbsDropoutProb(0)
        .lshAttentionProbsDropoutProb(0)
        .build();
  }

  private static int largestDivisorUpToRoot(int number) {
    int divisor = (int) Math.sqrt(number);
    while (number % divisor != 0) {
      divisor--;
    }
    return divisor;
  }
}
