package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Logits over the vocabulary from both streams (Hugging Face's ReformerOnlyLMHead), for causal and
 * masked language models alike. The loss is computed in chunks of rows: logits of the whole batch
 * exist only where they are asked for.
 */
final class LmHead implements Head {
  /**
   * Rows whose gradients go through the final norm at once, whatever the chunk: its sums over rows
   * are rounded once a call, and no chunk size may change a bit. Also the rows of a chunk where the
   * config asks for none.
   */
  static final int BLOCK_ROWS = 1024;

  private final FinalNorm norm;
  private final Parameter weight;
  private final Parameter bias;
  private final int chunkRows;

  LmHead(ReformerConfig config, FinalNorm norm, ParameterSet parameters) {
    this.norm = norm;
    this.chunkRows = chunkRows(config);
    weight =
        parameters.declareFactor(
            "lm_head.decoder.weight",
            Initializer.normal(config.initializerRange()),
            config.vocabSize(),
            2L * config.hiddenSize());
    bias = parameters.declare("lm_head.bias", Initializer.ZEROS, config.vocabSize());
  }

  /** Returns the rows whose logits exist at once. */
  static int chunkRows(ReformerConfig config) {
    int chunk = config.chunkSizeLmHead();
    return chunk == 0 ? BLOCK_ROWS : Math.min(chunk, BLOCK_ROWS);
  }

  /**
   * Writes the logits of some rows.
   *
   * @param logits [n, V]
   * @param rows [n, 2D], rows of the streams
   */
  void logits(Tensor logits, Tensor rows, Pass pass) {
    for (long from = 0; from < rows.rows(); from += chunkRows) {
      long count = Math.min(chunkRows, rows.rows() - from);
      try (TensorScope scope = pass.backend().scope("lm-head")) {
        Tensor hidden = norm.forward(rows.rows(from, count), from, scope, pass);
        project(logits.rows(from, count), hidden, pass.backend());
      }
    }
  }

  private void project(Tensor logits, Tensor hidden, Backend backend) {
    backend.gemm(logits, hidden, false, weight.value(hidden.type()), true, 1f, 0f);
    backend.addBias(logits, bias.value());
  }

  @Override
  public double lossSum(Tensor streams, Tensor targets, Pass pass) {
    return run(null, streams, targets, 0f, pass);
  }

  @Override
  public double lossSumAndGradient(
      Tensor dStreams, Tensor streams, Tensor targets, float scale, Pass pass) {
    return run(dStreams, streams, targets, scale, pass);
  }

  private double run(Tensor dStreams, Tensor streams, Tensor targets, float scale, Pass pass) {
    Backend backend = pass.backend();
    Tensor flatTargets = targets.reshape(targets.elements(), 1);
    double sum = 0;
    for (long first = 0; first < streams.rows(); first += BLOCK_ROWS) {
      long count = Math.min(BLOCK_ROWS, streams.rows() - first);
      Tensor rows = streams.rows(first, count);
      Tensor labels = flatTargets.rows(first, count);
      try (TensorScope scope = backend.scope("lm-head")) {
        if (dStreams == null) {
          sum += chunks(null, rows, labels, first, scale, pass);
        } else {
          Tensor dHidden = scope.allocate(DType.F32, count, streams.columns());
          sum += chunks(dHidden, rows, labels, first, scale, pass);
          norm.backward(dStreams.rows(first, count), dHidden, rows, first, pass);
        }
      }
    }
    return sum;
  }

  /** Losses of a block of rows, a chunk at a time, and where asked for the norm's gradient. */
  private double chunks(
      Tensor dHidden, Tensor block, Tensor labels, long firstRow, float scale, Pass pass) {
    Backend backend = pass.backend();
    double sum = 0;
    for (long from = 0; from < block.rows(); from += chunkRows) {
      long count = Math.min(chunkRows, block.rows() - from);
      try (TensorScope scope = backend.scope("chunk")) {
        Tensor hidden = norm.forward(block.rows(from, count), firstRow + from, scope, pass);
        Tensor logits = scope.allocate(DType.F32, count, weight.shape().dim(0));
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
          backend.biasGradient(bias.gradient(), logits);
          Tensor dLogits = pass.activation(logits, scope);
          Projection.backward(backend, dHidden.rows(from, count), 0f, dLogits, hidden, weight);
        }
      }
    }
    return sum;
  }
}
