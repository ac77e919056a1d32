package org.reformer4j.model;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Pass.Pieces;

/**
 * Some heads of an attention, and their parts of what all heads have. Parts of less than all exist
 * for a single sequence only, where the heads of an axis follow each other.
 *
 * @param from the first
 * @param count how many
 * @param all H
 */
record Heads(int from, int count, int all) {
  /** Returns all heads. */
  static Heads all(ReformerConfig config) {
    return new Heads(0, config.numAttentionHeads(), config.numAttentionHeads());
  }

  /** Returns the groups in which the backward pass of a layer takes its heads. */
  static List<Heads> groups(ReformerConfig config, int layer, Pass pass) {
    int all = config.numAttentionHeads();
    int count = all;
    if (pass.sequences().batch() == 1 && pass.memory().takesLeast(layer)) {
      count = groupSize(config, pass.rows(), pass.activations(), pass.pieces());
    }
    List<Heads> groups = new ArrayList<>();
    for (int from = 0; from < all; from += count) {
      groups.add(new Heads(from, Math.min(count, all - from), all));
    }
    return groups;
  }

  /** Returns how many heads a group has where heads are taken in groups. */
  static int groupSize(ReformerConfig config, long rows, DType activations, Pieces pieces) {
    long headBytes = rows * config.attentionHeadSize() * activations.bytes();
    return (int) Math.max(1, Math.min(config.numAttentionHeads(), pieces.headBytes() / headBytes));
  }

  /** Returns the columns of these heads of a tensor [n, H*K]. */
  Tensor columns(Tensor tensor) {
    long size = tensor.columns() / all;
    return tensor.columns(from * size, count * size);
  }

  /** Returns the rows of these heads of a weight matrix [H*K, D]. */
  Tensor rows(Tensor weight) {
    long size = weight.rows() / all;
    return weight.rows(from * size, count * size);
  }

  /** Returns these heads of a tensor [B, H, ..., T], or null for null. */
  Tensor of(Tensor tensor) {
    if (tensor == null || count == all) {
      return tensor;
    }
    long perHead = tensor.rows() / all;
    long[] dims = new long[tensor.shape().rank()];
    for (int axis = 0; axis < dims.length; axis++) {
      dims[axis] = axis == 1 ? count : tensor.shape().dim(axis);
    }
    return tensor.rows(from * perHead, count * perHead).reshape(dims);
  }

  /** Returns the factors of these heads, of those of all [H], or null for null. */
  Tensor mask(Tensor mask) {
    return mask == null || count == all ? mask : mask.columns(from, count).reshape(count);
  }

  /**
   * Returns an attention of these heads only.
   *
   * @param spec that of all
   * @param rounds R, 1 for local attention
   */
  AttentionSpec of(AttentionSpec spec, int rounds) {
    return new AttentionSpec(
        spec.sequences(),
        count,
        spec.headSize(),
        spec.chunkLength(),
        spec.chunksBefore(),
        spec.chunksAfter(),
        spec.causal(),
        spec.dropout().from((long) from * rounds * spec.sequences().stride()));
  }
}
