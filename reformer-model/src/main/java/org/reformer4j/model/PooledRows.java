package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * One vector per sequence: a weighted sum of its final hidden states, in floats. Only the rows that
 * have a weight are normalised, in chunks that start with the sequence, so that a sequence of a
 * ragged batch gives the same bits as alone.
 */
final class PooledRows {
  private final FinalNorm norm;
  private final Pooling pooling;
  private final int chunkRows;

  PooledRows(ReformerConfig config, FinalNorm norm, Pooling pooling) {
    this.norm = norm;
    this.pooling = pooling;
    this.chunkRows = RowHead.chunkRows(config);
  }

  /**
   * The rows of a sequence that take part.
   *
   * @param from number of the first
   * @param weights factor of each
   */
  private record Part(long from, float[] weights) {}

  /**
   * Returns the pooled hidden states, [B, 2D].
   *
   * @param streams [N, 2D]
   * @param batch says where the sequences are, and what their mask hides
   * @param scope holds the result
   */
  Tensor forward(Tensor streams, Batch batch, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    Tensor pooled = scope.allocate(DType.F32, batch.size(), streams.columns());
    for (int b = 0; b < batch.size(); b++) {
      Part part = part(batch, b);
      for (int at = 0; at < part.weights.length; at += chunkRows) {
        int count = Math.min(chunkRows, part.weights.length - at);
        try (TensorScope chunk = backend.scope("pooling")) {
          long first = part.from + at;
          Tensor hidden = norm.floats(streams.rows(first, count), first, chunk, pass);
          Tensor weights = weights(part, at, count, chunk, backend);
          backend.gemm(pooled.rows(b, 1), weights, false, hidden, false, 1f, at == 0 ? 0f : 1f);
        }
      }
    }
    return pooled;
  }

  /**
   * Overwrites dStreams with the gradient through pooling and final norm.
   *
   * @param dStreams [N, 2D]
   * @param dPooled [B, 2D]
   * @param streams [N, 2D]
   */
  void backward(Tensor dStreams, Tensor dPooled, Tensor streams, Batch batch, Pass pass) {
    Backend backend = pass.backend();
    backend.fill(dStreams, 0f);
    for (int b = 0; b < batch.size(); b++) {
      Part part = part(batch, b);
      // Not in chunks, which must not change a bit: the norm's sums are rounded once a call.
      for (int at = 0; at < part.weights.length; at += RowHead.BLOCK_ROWS) {
        int count = Math.min(RowHead.BLOCK_ROWS, part.weights.length - at);
        try (TensorScope scope = backend.scope("pooling")) {
          long first = part.from + at;
          Tensor dHidden = scope.allocate(DType.F32, count, streams.columns());
          Tensor weights = weights(part, at, count, scope, backend);
          backend.gemm(dHidden, weights, true, dPooled.rows(b, 1), false, 1f, 0f);
          Tensor dRows = dStreams.rows(first, count);
          norm.backward(dRows, dHidden, streams.rows(first, count), first, pass);
        }
      }
    }
  }

  private static Tensor weights(Part part, int at, int count, TensorScope scope, Backend backend) {
    Tensor weights = scope.allocate(DType.F32, 1, count);
    backend.upload(weights, Arrays.copyOfRange(part.weights, at, at + count));
    return weights;
  }

  /**
   * Checks that every sequence has a token to pool.
   *
   * @throws IllegalArgumentException if the mask hides a whole sequence
   */
  void check(Batch batch) {
    for (int b = 0; b < batch.size(); b++) {
      part(batch, b);
    }
  }

  private Part part(Batch batch, int sequence) {
    int length = batch.lengths()[sequence];
    int start = sequence * batch.length();
    int[] mask = batch.attentionMaskOrNull();
    int first = -1;
    int last = -1;
    int count = 0;
    for (int t = 0; t < length; t++) {
      if (mask == null || mask[start + t] != 0) {
        first = first < 0 ? t : first;
        last = t;
        count++;
      }
    }
    if (count == 0) {
      throw new IllegalArgumentException(
          "the attention mask hides all of sequence "
              + sequence
              + ": leave a token for pooling, or leave the sequence out");
    }
    if (pooling != Pooling.MEAN) {
      return new Part((long) start + (pooling == Pooling.FIRST ? first : last), new float[] {1f});
    }
    float[] weights = new float[last - first + 1];
    for (int t = first; t <= last; t++) {
      weights[t - first] = mask == null || mask[start + t] != 0 ? 1f / count : 0f;
    }
    return new Part((long) start + first, weights);
  }
}
