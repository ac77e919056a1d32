package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.MemoryPlan.KeptBytes;
import org.reformer4j.model.Pass.Pieces;

/** Begins a pass: checks a batch against the config and applies the padding rule. */
final class Passes {
  private Passes() {}

  /** Begins a pass; {@code back} says whether a way back follows, for which layers must save. */
  static Pass begin(
      ReformerConfig config,
      Backend backend,
      TensorScope scope,
      Precision precision,
      Batch batch,
      CallOptions options,
      boolean back) {
    check(config, batch, options);
    int[] lengths = batch.lengths();
    int[] slots = Arrays.stream(lengths).map(length -> paddedLength(config, length)).toArray();
    int longest = Arrays.stream(slots).max().orElseThrow();
    HashSpec hash = config.hash(options.numHashes().orElse(config.numHashes()), longest);
    Rotations rotations = rotations(config, options);
    Sequences sequences = Sequences.of(batch.length(), lengths, slots);
    // Before anything of the pass is allocated, so that what is left is what the pass may take.
    MemoryPlan memory =
        back ? plan(config, backend, precision, sequences, hash, options) : MemoryPlan.NOTHING;
    int[] mask = batch.attentionMaskOrNull();
    boolean masked = mask != null && Arrays.stream(mask).anyMatch(m -> m == 0);
    Tensor headMask = null;
    if (options.headMask() != null) {
      headMask = scope.allocate(DType.F32, config.numAttentionHeads());
      backend.upload(headMask, options.headMask());
    }
    return new Pass(
        backend,
        scope,
        precision.activations(),
        sequences,
        masked ? upload(backend, scope, mask, batch) : null,
        headMask,
        hash,
        rotations,
        options.training(),
        options.seed(),
        options.step(),
        memory,
        Pieces.DEFAULT,
        options.trace());
  }

  /** Returns who draws the rotations of a call. */
  static Rotations rotations(ReformerConfig config, CallOptions options) {
    if (options.rotations() != null) {
      return options.rotations();
    }
    return config
        .dialect()
        .rotations(
            config.hashSeed().isPresent()
                ? Rotations.torch(config.hashSeed().getAsLong())
                : Rotations.counterBased(options.seed(), options.step()));
  }

  private static MemoryPlan plan(
      ReformerConfig config,
      Backend backend,
      Precision precision,
      Sequences sequences,
      HashSpec hash,
      CallOptions options) {
    if (options.memory() != MemoryPolicy.AUTO) {
      return MemoryPlan.uniform(config.numHiddenLayers(), options.memory());
    }
    KeptBytes size = new KeptBytes(config, sequences, hash, precision.activations());
    long available = backend.availableBytes();
    if (options.memoryBytes().isEmpty() && available == Long.MAX_VALUE) {
      return MemoryPlan.uniform(config.numHiddenLayers(), MemoryPolicy.RECOMPUTE);
    }
    return MemoryPlan.within(size, options.memoryBytes().orElse(available - size.step(false)));
  }

  /**
   * Returns the length that Hugging Face pads to: the next multiple of all chunk lengths, unless
   * the sequence fits into the smallest chunk.
   */
  static int paddedLength(ReformerConfig config, int length) {
    int multiple = config.paddingMultiple();
    if (length <= config.minChunkLength() || length % multiple == 0) {
      return length;
    }
    return Math.addExact(length, multiple - length % multiple);
  }

  static Tensor upload(Backend backend, TensorScope scope, int[] values, Batch batch) {
    Tensor tensor = scope.allocate(DType.I32, batch.size(), batch.length());
    backend.upload(tensor, values);
    return tensor;
  }

  private static void check(ReformerConfig config, Batch batch, CallOptions options) {
    int[] ids = batch.ids();
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= config.vocabSize()) {
        throw new IllegalArgumentException(
            "token id "
                + ids[i]
                + " at ["
                + i / batch.length()
                + ", "
                + i % batch.length()
                + "] is outside the vocabulary 0.."
                + (config.vocabSize() - 1)
                + ": use the tokenizer that belongs to the model");
      }
    }
    for (int position : batch.positionsOrDefault()) {
      if (position < 0 || position >= config.maxPositions()) {
        throw new IllegalArgumentException(
            "position "
                + position
                + " is outside the model's "
                + config.maxPositions()
                + " positions: shorten the sequence, or train with a larger "
                + (config.axialPosEmbds() ? "axial_pos_shape" : "max_position_embeddings"));
      }
    }
    if (options.headMask() != null && options.headMask().length != config.numAttentionHeads()) {
      throw new IllegalArgumentException(
          "headMask must have shape [H] = ["
              + config.numAttentionHeads()
              + "], got "
              + options.headMask().length
              + " elements");
    }
  }
}
