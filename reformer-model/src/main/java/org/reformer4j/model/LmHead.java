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
  /** Rows of a chunk where the config asks for none. */
  private static final int DEFAULT_CHUNK_ROWS = 1024;

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
    return config.chunkSizeLmHead() == 0 ? DEFAULT_CHUNK_ROWS : config.chunkSizeLmHead();
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
    double sum = 0;
    Tensor flatTargets = targets.reshape(targets.elements(), 1);
    for (long from = 0; from < streams.rows(); from += chunkRows) {
      long count = Math.min(chunkRows, streams.rows() - from);
      Tensor rows = streams.rows(from, count);
      try (TensorScope scope = backend.scope("lm-head")) {
        Tensor hidden = norm.forward(rows, from, scope, pass);
        Tensor logits = scope.allocate(DType.F32, count, weight.shape().dim(0));
        Tensor losses = scope.allocate(DType.F32, count);
        project(logits, hidden, backend);
        backend.crossEntropy(
            losses,
            dStreams == null ? null : logits,
            logits,
            flatTargets.rows(from, count),
            Batch.IGNORE,
            scale);
        for (float loss : backend.download(losses)) {
          sum += loss;
        }
        if (dStreams != null) {
          backend.biasGradient(bias.gradient(), logits);
          Tensor dHidden = scope.allocate(DType.F32, count, hidden.columns());
          Tensor dLogits = pass.activation(logits, scope);
          Projection.backward(backend, dHidden, 0f, dLogits, hidden, weight);
          norm.backward(dStreams.rows(from, count), dHidden, rows, from, pass);
        }
      }
    }
    return sum;
  }
}
