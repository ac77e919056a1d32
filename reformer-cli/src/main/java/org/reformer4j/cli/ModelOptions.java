package org.reformer4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.reformer4j.api.Activation;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.LshHashing;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ResidualArithmetic;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.text.ByteTokenizer;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Shape of a model to train: a config file, or sizes. */
final class ModelOptions {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "config.json in Hugging Face's format, instead of the sizes below.")
  private Path config;

  @Option(
      names = "--layers",
      paramLabel = "PATTERN",
      defaultValue = "local,lsh,local,lsh",
      description =
          "Kind of each layer, such as local,lsh, or a number of alternating ones"
              + " (default: ${DEFAULT-VALUE}).")
  private String layers;

  @Option(
      names = "--hidden",
      paramLabel = "D",
      defaultValue = "128",
      description = "Hidden size (default: ${DEFAULT-VALUE}).")
  private int hidden;

  @Option(
      names = "--heads",
      paramLabel = "H",
      defaultValue = "4",
      description = "Attention heads of hidden size / heads columns (default: ${DEFAULT-VALUE}).")
  private int heads;

  @Option(
      names = "--ff",
      paramLabel = "F",
      description = "Feed-forward size (default: four times the hidden size).")
  private Integer feedForward;

  @Option(
      names = "--activation",
      paramLabel = "NAME",
      defaultValue = "gelu",
      description = "relu, gelu, gelu_new, silu or tanh (default: ${DEFAULT-VALUE}).")
  private String activation;

  @Option(
      names = "--context",
      paramLabel = "T",
      defaultValue = "256",
      description = "Tokens of a sequence, and positions of the model (default: ${DEFAULT-VALUE}).")
  private int context;

  @Option(
      names = "--local-chunk",
      paramLabel = "C",
      defaultValue = "32",
      description = "Chunk length of local layers (default: ${DEFAULT-VALUE}).")
  private int localChunk;

  @Option(
      names = "--chunk",
      paramLabel = "C",
      defaultValue = "32",
      description = "Chunk length of LSH layers (default: ${DEFAULT-VALUE}).")
  private int chunk;

  @Option(
      names = "--buckets",
      paramLabel = "N",
      description =
          "Hash buckets, an even number (default: two per chunk of the context; with --selection"
              + " causal one per two chunks).")
  private Integer buckets;

  @Option(
      names = "--hashes",
      paramLabel = "R",
      defaultValue = "2",
      description = "Hash rounds (default: ${DEFAULT-VALUE}).")
  private int hashes;

  @Option(
      names = "--lsh-hashing",
      paramLabel = "KIND",
      defaultValue = "integer",
      description =
          "integer: buckets are the same on every backend for the same input; heads of at most 128"
              + " columns; or float, as in Hugging Face (default: ${DEFAULT-VALUE}; a config.json"
              + " that does not say it means float).")
  private String lshHashing;

  @Option(
      names = "--residual-arithmetic",
      paramLabel = "KIND",
      defaultValue = "fixed_point",
      description =
          "fixed_point: streams that the backward pass rebuilds bit for bit; or float, as in Hugging"
              + " Face (default: ${DEFAULT-VALUE}; a config.json that does not say it means float).")
  private String residualArithmetic;

  @Option(
      names = "--dropout",
      paramLabel = "P",
      defaultValue = "0",
      description =
          "Dropout of embeddings, attention and feed-forward (default: ${DEFAULT-VALUE}).")
  private double dropout;

  @ArgGroup(validate = false)
  private VariantOptions variant = new VariantOptions();

  /** Returns the config; a file must describe a causal byte-level model. */
  ReformerConfig config() {
    if (config == null) {
      return sized();
    }
    ReformerConfig read = ConfigJson.read(config);
    if (!read.isDecoder() || read.vocabSize() < ByteTokenizer.VOCABULARY_SIZE) {
      throw new IllegalArgumentException(
          config
              + " must have is_decoder true and vocab_size at least "
              + ByteTokenizer.VOCABULARY_SIZE
              + " to be trained on bytes, got "
              + read.isDecoder()
              + " and "
              + read.vocabSize());
    }
    return read;
  }

  /** Returns the length of the training sequences. */
  int contextLength(ReformerConfig model) {
    return config == null ? context : model.maxPositions();
  }

  private ReformerConfig sized() {
    if (heads < 1 || hidden % heads != 0) {
      throw new IllegalArgumentException(
          "--hidden " + hidden + " must be a multiple of --heads " + heads);
    }
    if (context < 2 || chunk < 1) {
      throw new IllegalArgumentException(
          "--context must be at least 2 and --chunk at least 1, got " + context + ", " + chunk);
    }
    // Rows of axial positions are shared by all chunks: they learn several times sooner than a row
    // for every position, and the offset within a chunk is what local layers need.
    boolean axial = context > localChunk && context % localChunk == 0;
    int columns = axial ? localChunk : context;
    return variant
        .in(ReformerConfig.builder())
        .architectures(List.of("ReformerModelWithLMHead"))
        .attnLayers(pattern())
        .hiddenSize(hidden)
        .numAttentionHeads(heads)
        .attentionHeadSize(hidden / heads)
        .feedForwardSize(feedForward == null ? 4 * hidden : feedForward)
        .hiddenAct(Activation.fromConfigName(activation))
        .vocabSize(ByteTokenizer.VOCABULARY_SIZE)
        .isDecoder(true)
        .axialPosEmbds(axial)
        .axialPosShape(List.of(context / columns, columns))
        .axialPosEmbdsDim(List.of(hidden / 4, hidden - hidden / 4))
        .axialNormStd(0.02)
        .maxPositionEmbeddings(context)
        .localAttnChunkLength(localChunk)
        .lshAttnChunkLength(chunk)
        .numBuckets(List.of(buckets == null ? usualBuckets() : buckets))
        .numHashes(hashes)
        .residualArithmetic(ResidualArithmetic.fromConfigName(residualArithmetic))
        .lshHashing(LshHashing.fromConfigName(lshHashing))
        .hiddenDropoutProb(dropout)
        .localAttentionProbsDropoutProb(dropout)
        .lshAttentionProbsDropoutProb(0)
        .build();
  }

  private int usualBuckets() {
    return variant.lshSelection().usualBuckets(context / chunk);
  }

  private List<AttentionKind> pattern() {
    List<AttentionKind> kinds = new ArrayList<>();
    if (layers.matches("\\d{1,4}")) {
      for (int i = 0; i < Integer.parseInt(layers); i++) {
        kinds.add(i % 2 == 0 ? AttentionKind.LOCAL : AttentionKind.LSH);
      }
      return kinds;
    }
    for (String kind : layers.split(",", -1)) {
      switch (kind.trim().toLowerCase(Locale.ROOT)) {
        case "local" -> kinds.add(AttentionKind.LOCAL);
        case "lsh" -> kinds.add(AttentionKind.LSH);
        default ->
            throw new IllegalArgumentException(
                "--layers must be a number or a list of local and lsh, got '" + layers + "'");
      }
    }
    return kinds;
  }
}
