package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * A linear layer on the final hidden states of every row, in chunks of rows: the hidden states of
 * the whole batch never exist, its logits only where they are asked for.
 */
final class RowHead {
  /**
   * Rows whose gradients go through the final norm at once, whatever the chunk: its sums over rows
   * are rounded once a call, and no chunk size may change a bit. Also the rows of a chunk where the
   * config asks for none.
   */
  static final int BLOCK_ROWS = 1024;

  private final FinalNorm norm;
  private final Parameter weight;
  private final Parameter bias;
  private final double dropout;
  private final int chunkRows;

  /**
   * Takes the parameters.
   *
   * @param weight [L, 2D]; activations are multiplied by it in their type if it is a factor, as
   *     floats otherwise
   * @param bias [L]
   * @param dropout of the hidden states, besides that of the final norm
   */
  RowHead(ReformerConfig config, FinalNorm norm, Parameter weight, Parameter bias, double dropout) {
    this.norm = norm;
    this.weight = weight;
    this.bias = bias;
    this.dropout = dropout;
    this.chunkRows = chunkRows(config);
  }

  /** Returns the rows whose logits exist at once. */
  static int chunkRows(ReformerConfig config) {
    int chunk = config.chunkSizeLmHead();
    return chunk == 0 ? BLOCK_ROWS : Math.min(chunk, BLOCK_ROWS);
  }

  /** Returns L. */
  long columns() {
    return weight.shape().dim(0);
  }

  /**
   * Writes the logits of some rows.
   *
   * @param logits [n, L]
   * @param rows [n, 2D], rows of the streams
   */
  void logits(Tensor logits, Tensor rows, Pass pass) {
    for (long from = 0; from < rows.rows(); from += chunkRows) {
      long count = Math.min(chunkRows, rows.rows() - from);
      try (TensorScope scope = pass.backend().scope("head")) {
        Tensor hidden = hidden(rows.rows(from, count), from, scope, pass);
        project(logits.rows(from, count), hidden, pass.backend());
      }
    }
  }

  /**
   * Returns the summed cross-entropy of all rows; with {@code dStreams} overwrites these and adds
   * the gradients, times scale.
   *
   * @param dStreams [N, 2D], or null for the loss alone
   * @param streams [N, 2D]
   * @param targets I32 [N], a class, or {@link Batch#IGNORE}
   */
  double crossEntropy(Tensor dStreams, Tensor streams, Tensor targets, float scale, Pass pass) {
    Tensor flatTargets = targets.reshape(targets.elements(), 1);
    double sum = 0;
    for (long from = 0; from < streams.rows(); from += BLOCK_ROWS) {
      long count = Math.min(BLOCK_ROWS, streams.rows() - from);
      Tensor rows = streams.rows(from, count);
      Tensor labels = flatTargets.rows(from, count);
      try (TensorScope scope = pass.backend().scope("head")) {
        if (dStreams == null) {
          sum += blockLoss(null, rows, labels, from, scale, pass);
        } else {
          Tensor dHidden = scope.allocate(DType.F32, count, streams.columns());
          sum += blockLoss(dHidden, rows, labels, from, scale, pass);
          normBackward(dStreams.rows(from, count), dHidden, rows, from, pass);
        }
      }
    }
    return sum;
  }

  /** The loss of a block of rows, a chunk at a time, and where asked for dHidden. */
  private double blockLoss(
      Tensor dHidden, Tensor block, Tensor labels, long first, float scale, Pass pass) {
    Backend backend = pass.backend();
    double sum = 0;
    for (long from = 0; from < block.rows(); from += chunkRows) {
      long count = Math.min(chunkRows, block.rows() - from);
      try (TensorScope scope = backend.scope("chunk")) {
        Tensor hidden = hidden(block.rows(from, count), first + from, scope, pass);
        Tensor logits = scope.allocate(DType.F32, count, columns());
        Tensor losses = scope.allocate(DType.F32, count);
        project(logits, hidden, backend);
        backend.crossEntropy(
            losses,
            dHidden == null ? null : logits,
            logits,
            labels.rows(from, count),
            Batch.IGNORE,
            scale);
        for (float loss : backend.download(losses)) {
          sum += loss;
        }
        if (dHidden != null) {
          projectBackward(dHidden.rows(from, count), logits, hidden, scope, pass);
        }
      }
    }
    return sum;
  }

  /**
   * Overwrites dStreams with the gradient through all rows, and adds the parameters'.
   *
   * @param dStreams [N, 2D]
   * @param dLogits [N, L]
   * @param streams [N, 2D]
   */
  void backward(Tensor dStreams, Tensor dLogits, Tensor streams, Pass pass) {
    for (long first = 0; first < streams.rows(); first += BLOCK_ROWS) {
      long rows = Math.min(BLOCK_ROWS, streams.rows() - first);
      Tensor block = streams.rows(first, rows);
      try (TensorScope scope = pass.backend().scope("head")) {
        Tensor dHidden = scope.allocate(DType.F32, rows, streams.columns());
        for (long from = 0; from < rows; from += chunkRows) {
          long count = Math.min(chunkRows, rows - from);
          try (TensorScope chunk = pass.backend().scope("chunk")) {
            Tensor hidden = hidden(block.rows(from, count), first + from, chunk, pass);
            Tensor dChunk = dLogits.rows(first + from, count);
            projectBackward(dHidden.rows(from, count), dChunk, hidden, chunk, pass);
          }
        }
        normBackward(dStreams.rows(first, rows), dHidden, block, first, pass);
      }
    }
  }

  private void projectBackward(
      Tensor dHidden, Tensor dLogits, Tensor hidden, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    backend.biasGradient(bias.gradient(), dLogits);
    Tensor factor = hidden.type() == DType.F32 ? dLogits : pass.activation(dLogits, scope);
    Projection.backward(backend, dHidden, 0f, factor, hidden, weight);
  }

  private void normBackward(Tensor dRows, Tensor dHidden, Tensor rows, long first, Pass pass) {
    if (dropout > 0) {
      pass.backend().dropout(dHidden, dropout(pass).from(first));
    }
    norm.backward(dRows, dHidden, rows, first, pass);
  }

  private Tensor hidden(Tensor rows, long from, TensorScope scope, Pass pass) {
    if (weight.isFactor()) {
      return norm.forward(rows, from, scope, pass);
    }
    Tensor hidden = norm.floats(rows, from, scope, pass);
    if (dropout > 0) {
      pass.backend().dropout(hidden, dropout(pass).from(from));
    }
    return hidden;
  }

  private Dropout dropout(Pass pass) {
    return pass.dropout(dropout, 0, RandomPurpose.HEAD_INPUT);
  }

  private void project(Tensor logits, Tensor hidden, Backend backend) {
    backend.gemm(logits, hidden, false, weight.value(hidden.type()), true, 1f, 0f);
    backend.addBias(logits, bias.value());
  }
}
