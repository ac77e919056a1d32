package org.reformer4j.cli;

import org.reformer4j.api.HashSpec;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.ReformerConfig;

/**
 * Floating-point operations of one sequence, counted from the shapes; a multiply-add is two. The
 * formula stands in docs/benchmarks.md. Windows of attention count whole, masked pairs included;
 * norms, softmax, activations, embeddings, sorting and the optimizer do not count.
 *
 * @param projections of the attention layers, forward
 * @param hash of the LSH layers
 * @param attention scores and weighted values, forward
 * @param feedForward both products, forward
 * @param headRow logits of one row
 * @param rows T
 */
record BenchmarkWork(
    double projections,
    double hash,
    double attention,
    double feedForward,
    double headRow,
    double rows) {
  /** Products of the attention's backward pass: scores, dProbabilities, dV, dQ, dK. */
  private static final double BACKWARD_PRODUCTS = 5.0 / 2;

  /**
   * Counts.
   *
   * @param config the model
   * @param length T
   * @param rounds R
   */
  static BenchmarkWork of(ReformerConfig config, int length, int rounds) {
    double t = length;
    double d = config.hiddenSize();
    double w = config.allHeadSize();
    int slots = slots(config, length);
    HashSpec hash = config.hash(rounds, slots);
    double projections = 0;
    double hashing = 0;
    double attention = 0;
    for (AttentionKind kind : config.attnLayers()) {
      boolean lsh = kind == AttentionKind.LSH;
      boolean whole = slots <= config.chunkLength(kind);
      projections += (lsh ? 3 : 4) * 2 * t * d * w;
      double window = whole ? t : (double) config.chunkLength(kind) * windowChunks(config, kind);
      attention += 4 * t * w * window * (lsh && !whole ? rounds : 1);
      hashing += lsh && !whole ? 2 * t * w * hash.rotationColumns() * rounds : 0;
    }
    double feedForward = config.numHiddenLayers() * 4 * t * d * config.feedForwardSize();
    double headRow = 2 * 2 * d * config.vocabSize();
    return new BenchmarkWork(projections, hashing, attention, feedForward, headRow, t);
  }

  /** Returns the operations up to the logits of the next token. */
  double forward() {
    return projections + hash + attention + feedForward + headRow;
  }

  /**
   * Returns the operations of loss, gradients and the recomputation that the reversible layers do
   * instead of keeping activations. Buckets are kept, so hashing is not repeated; the head is not
   * recomputed.
   */
  double trainingStep() {
    double layers = projections + attention + feedForward;
    double gradients = 2 * (projections + feedForward) + BACKWARD_PRODUCTS * attention;
    return layers + hash + layers + gradients + 3 * rows * headRow;
  }

  private static int windowChunks(ReformerConfig config, AttentionKind kind) {
    return kind == AttentionKind.LSH
        ? 1 + config.lshNumChunksBefore() + config.lshNumChunksAfter()
        : 1 + config.localNumChunksBefore() + config.localNumChunksAfter();
  }

  /** Returns the places that chunked attention sees, as Hugging Face pads. */
  static int slots(ReformerConfig config, int length) {
    int multiple = config.paddingMultiple();
    return length <= config.minChunkLength() || length % multiple == 0
        ? length
        : Math.addExact(length, multiple - length % multiple);
  }
}
