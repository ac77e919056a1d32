package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Pass.Pieces;

/** What each layer of a pass keeps for its backward pass. */
final class MemoryPlan {
  /** For passes without a way back. */
  static final MemoryPlan NOTHING = new MemoryPlan(null);

  /** A level per layer, none of them AUTO; null if nothing comes back. */
  private final MemoryPolicy[] levels;

  private MemoryPlan(MemoryPolicy[] levels) {
    this.levels = levels;
  }

  /** Returns the same level for all layers. */
  static MemoryPlan uniform(int layers, MemoryPolicy level) {
    if (level == MemoryPolicy.AUTO) {
      throw new IllegalArgumentException("AUTO is no level: use MemoryPlan.within");
    }
    MemoryPolicy[] levels = new MemoryPolicy[layers];
    Arrays.fill(levels, level);
    return new MemoryPlan(levels);
  }

  /**
   * Returns the levels that fit into a number of bytes: level after level, within a level from the
   * last layer to the first.
   *
   * @param size what a layer keeps at which level
   * @param bytes for everything that is kept
   */
  static MemoryPlan within(KeptBytes size, long bytes) {
    int layers = size.layers();
    MemoryPlan plan = uniform(layers, MemoryPolicy.RECOMPUTE);
    long used = plan.bytes(size);
    for (MemoryPolicy level : MemoryPolicy.values()) {
      for (int layer = layers - 1; layer >= 0 && level != MemoryPolicy.AUTO; layer--) {
        long more = size.of(layer, level) - size.of(layer, plan.levels[layer]);
        if (used + more > bytes) {
          return plan;
        }
        used += more;
        plan.levels[layer] = level;
      }
    }
    return plan;
  }

  /** Returns the bytes that all layers keep. */
  long bytes(KeptBytes size) {
    long sum = 0;
    for (int layer = 0; layer < levels.length; layer++) {
      sum += size.of(layer, levels[layer]);
    }
    return sum;
  }

  /** Returns the level of a layer. */
  MemoryPolicy level(int layer) {
    return levels[layer];
  }

  /** Returns whether a layer keeps its order; on a float stream it must. */
  boolean keepsOrder(int layer, Tensor stream) {
    return levels != null
        && (stream.type() != DType.FIXED || keeps(layer, MemoryPolicy.KEEP_ORDER));
  }

  /** Returns whether a layer keeps nothing that it can do without. */
  boolean takesLeast(int layer) {
    return levels != null && levels[layer] == MemoryPolicy.RECOMPUTE;
  }

  boolean keepsFeedForward(int layer) {
    return keeps(layer, MemoryPolicy.KEEP_FEED_FORWARD);
  }

  boolean keepsAttention(int layer) {
    return keeps(layer, MemoryPolicy.KEEP_ATTENTION);
  }

  private boolean keeps(int layer, MemoryPolicy level) {
    return levels != null && levels[layer].compareTo(level) >= 0;
  }

  /**
   * The formula of what layers keep, with N = B*T rows: an order 4 H R N bytes, 4 B H R E in runs,
   * results e D N for the feed-forward, and e (D + H K) N + 4 H N for attention, e being the bytes
   * of an activation.
   *
   * @param config the model's
   * @param sequences rows of the batch
   * @param hash rounds R
   * @param activations type of the branches' results
   */
  record KeptBytes(ReformerConfig config, Sequences sequences, HashSpec hash, DType activations) {
    int layers() {
      return config.numHiddenLayers();
    }

    long of(int layer, MemoryPolicy level) {
      long rows = sequences.rows();
      long heads = config.numAttentionHeads();
      long bytes = 0;
      if (sorts(layer)
          && (config.residualArithmetic() == ResidualArithmetic.FLOAT
              || level.compareTo(MemoryPolicy.KEEP_ORDER) >= 0)) {
        bytes += orderEntries() * heads * hash.rounds() * DType.I32.bytes();
      }
      if (level.compareTo(MemoryPolicy.KEEP_FEED_FORWARD) >= 0) {
        bytes += rows * config.hiddenSize() * activations.bytes();
      }
      if (level.compareTo(MemoryPolicy.KEEP_ATTENTION) >= 0) {
        bytes += rows * (config.hiddenSize() + config.allHeadSize()) * activations.bytes();
        bytes += rows * heads * DType.F32.bytes();
      }
      return bytes;
    }

    private boolean sorts(int layer) {
      boolean sorts = hash.selection() == LshSelection.CAUSAL;
      for (int b = 0; b < sequences.batch(); b++) {
        sorts |= sequences.slots(b) > config.lshAttnChunkLength();
      }
      return sorts && config.attnLayers().get(layer) == AttentionKind.LSH;
    }

    /** Entries of an order per head and round, of all sequences. */
    private long orderEntries() {
      int chunk = config.lshAttnChunkLength();
      return hash.usesRuns()
          ? (long) sequences.batch()
              * RunLayout.of(hash.places(sequences, chunk), chunk, hash).entries()
          : sequences.rows();
    }

    /**
     * Returns what a step needs besides parameters, gradients and what is kept: the streams and
     * their gradients, the largest branch or chunk of the head, and what a device needs for the
     * rounds of attention.
     *
     * @param least whether all layers keep nothing, so that heads are taken in groups
     */
    long step(boolean least) {
      long rows = sequences.rows();
      long block = Math.min(rows, Pieces.DEFAULT.rows());
      long d = config.hiddenSize();
      long w = config.allHeadSize();
      long v = config.vocabSize();
      long f = config.feedForwardSize();
      long heads = config.numAttentionHeads();
      long rounds = hash.rounds();
      long e = activations.bytes();
      // Streams, gradients; ids, positions, targets, mask; head mask.
      long constant = Float.BYTES * (rows * (4 * d + 4) + heads);
      // Norm and result; output; projections, and the gradients of all of them.
      long group = w;
      if (least
          && sequences.batch() == 1
          && config.residualArithmetic() == ResidualArithmetic.FLOAT) {
        // Exact streams are hashed again, which needs all heads.
        int heldHeads = Heads.groupSize(config, rows, activations, Pieces.DEFAULT);
        group = (long) heldHeads * config.attentionHeadSize();
      }
      long attention = block * e * 2 * d + rows * (e * (w + 7 * group) + Float.BYTES * heads);
      long sorted = hash.usesRuns() ? rows + orderEntries() : rows;
      long rotation = config.lshHashing() == LshHashing.INTEGER ? Byte.BYTES : Float.BYTES;
      long sorting =
          Integer.BYTES * sorted * heads * rounds + rotation * w * rounds * hash.rotationColumns();
      long chunk = Math.min(FeedForwardBranch.chunkRows(config), rows);
      long feedForward = block * e * 4 * d + chunk * Float.BYTES * 3 * f;
      long head =
          Float.BYTES
              * (Math.min(RowHead.BLOCK_ROWS, rows) * 2 * d
                  + Math.min(RowHead.chunkRows(config), rows) * (2 * d + v + 1));
      if (activations != DType.F32) {
        // The rounded gradient of the logits, and the norm before dropout.
        head += Math.min(RowHead.chunkRows(config), rows) * (e * v + Float.BYTES * 2 * d);
      }
      long device = Float.BYTES * rows * w * rounds * 3;
      return constant + Math.max(attention + sorting + device, Math.max(feedForward, head));
    }
  }
}
