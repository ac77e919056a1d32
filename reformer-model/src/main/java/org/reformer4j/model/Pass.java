package org.reformer4j.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * What the components share during one forward and backward pass; immutable.
 *
 * @param backend where it runs
 * @param scope holds what lives from forward to backward: streams, saved buckets
 * @param activations type of what is between norms and residual steps
 * @param sequences rows of the batch
 * @param keyMask I32 [B, T], 0 = masked, or null
 * @param headMask F32 [H] factors on the heads' outputs, or null
 * @param hash rounds and buckets of the LSH layers
 * @param rotations who draws the LSH rotations
 * @param training whether dropout is on
 * @param seed seed of the run
 * @param step number of the pass within the run; with the seed it fixes all dropout
 * @param memory what the layers keep for the backward pass
 * @param pieces how much of a long pass is taken at once
 * @param trace who watches
 */
public record Pass(
    Backend backend,
    TensorScope scope,
    DType activations,
    Sequences sequences,
    Tensor keyMask,
    Tensor headMask,
    HashSpec hash,
    Rotations rotations,
    boolean training,
    long seed,
    long step,
    MemoryPlan memory,
    Pieces pieces,
    Trace trace) {
  /**
   * How much of a long pass its branches take at once, which bounds what lives beside the streams.
   * Where it cuts, sums over rows or heads are rounded in other places; nothing else depends on it.
   *
   * @param rows rows of a block, in everything that treats rows alike
   * @param headBytes most bytes of a projection in a backward pass that keeps nothing; where there
   *     would be more, heads are taken in groups and projected twice
   */
  record Pieces(long rows, long headBytes) {
    static final Pieces DEFAULT = new Pieces(1 << 16, 128L << 20);

    Pieces {
      if (rows < 1 || headBytes < 1) {
        throw new IllegalArgumentException(
            "pieces must be positive, got " + rows + ", " + headBytes);
      }
    }
  }

  /**
   * Some rows of a pass.
   *
   * @param from the first
   * @param count how many
   */
  record Block(long from, long count) {
    /** Returns these rows of a tensor that has all. */
    Tensor of(Tensor all) {
      return all.rows(from, count);
    }
  }

  /** Checks that nothing needed is missing. */
  public Pass {
    Objects.requireNonNull(backend, "backend");
    Objects.requireNonNull(scope, "scope");
    Objects.requireNonNull(activations, "activations");
    Objects.requireNonNull(sequences, "sequences");
    Objects.requireNonNull(hash, "hash");
    Objects.requireNonNull(rotations, "rotations");
    Objects.requireNonNull(memory, "memory");
    Objects.requireNonNull(pieces, "pieces");
    Objects.requireNonNull(trace, "trace");
  }

  /**
   * Returns a dropout of this pass; none in evaluation.
   *
   * @param probability chance of an element to be zeroed
   * @param layer index of the layer, 0 outside of layers
   * @param purpose what is dropped
   */
  Dropout dropout(double probability, int layer, RandomPurpose purpose) {
    return training && probability > 0
        ? new Dropout((float) probability, new Philox.Stream(seed, step, layer, purpose))
        : Dropout.NONE;
  }

  /**
   * Returns floats as an activation: themselves, or rounded.
   *
   * @param floats F32 [N, D]
   * @param scope holds the result, if it is a new one
   */
  Tensor activation(Tensor floats, TensorScope scope) {
    if (activations == DType.F32) {
      return floats;
    }
    Tensor rounded = scope.allocate(activations, floats.rows(), floats.columns());
    backend.round(rounded, floats);
    return rounded;
  }

  /** Returns the rows block by block. */
  List<Block> blocks() {
    List<Block> blocks = new ArrayList<>();
    for (long from = 0; from < rows(); from += pieces.rows()) {
      blocks.add(new Block(from, Math.min(pieces.rows(), rows() - from)));
    }
    return blocks;
  }

  /** Returns room for a block of activations. */
  Tensor block(TensorScope scope, long columns) {
    return scope.allocate(activations, Math.min(rows(), pieces.rows()), columns);
  }

  /** Returns whether all rows are one block. */
  boolean whole() {
    return rows() <= pieces.rows();
  }

  /** Returns N, the rows of the batch. */
  long rows() {
    return sequences.rows();
  }
}
