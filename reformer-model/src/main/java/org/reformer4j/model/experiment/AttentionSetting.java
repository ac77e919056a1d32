package org.reformer4j.model.experiment;

import java.util.Locale;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.ReformerConfig;

/**
 * What attention a model is trained or evaluated with: full, or LSH with so many hash rounds. The
 * weights are the same in both: full attention is that of an LSH layer to a sequence that fits into
 * a chunk, with shared queries and keys.
 *
 * @param numHashes R, hash rounds; 0 for full attention
 */
public record AttentionSetting(int numHashes) {
  /** Everything before a token is attended to. */
  public static final AttentionSetting FULL = new AttentionSetting(0);

  /** Checks the range. */
  public AttentionSetting {
    if (numHashes < 0) {
      throw new IllegalArgumentException("numHashes must not be negative, got " + numHashes);
    }
  }

  /** Returns the name in the paper's table: {@code full} or {@code LSH-4}. */
  public String label() {
    return isFull() ? "full" : "LSH-" + numHashes;
  }

  /** Returns whether this is full attention. */
  public boolean isFull() {
    return numHashes == 0;
  }

  /** Returns the name of a training's folder. */
  String folder(long seed) {
    return label().toLowerCase(Locale.ROOT) + "-seed-" + seed;
  }

  /**
   * Returns a config with this attention.
   *
   * @param lsh config of a model with LSH layers
   * @param length T, the longest sequence
   */
  ReformerConfig applyTo(ReformerConfig lsh, int length) {
    if (!isFull()) {
      return lsh.toBuilder().numHashes(numHashes).build();
    }
    // Causal selection hashes whatever the length; sorted selection leaves a single chunk whole.
    return lsh.toBuilder()
        .numHashes(1)
        .lshSelection(LshSelection.SORTED)
        .lshAttnChunkLength(length)
        .build();
  }
}
