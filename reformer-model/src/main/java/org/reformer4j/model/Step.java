package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** One pass over a model: the streams and what the pass shares. */
final class Step implements AutoCloseable {
  final TensorScope scope;
  final Batch batch;
  final Pass pass;
  final Tensor streams;
  final Tensor x1;
  final Tensor x2;
  private final Encoder encoder;
  private final Backend backend;
  private final Tensor ids;
  private final Tensor positions;

  /** Prepares a pass; with {@code back} its layers save what a way back needs. */
  Step(
      Encoder encoder,
      Backend backend,
      Precision precision,
      Batch batch,
      CallOptions options,
      boolean back) {
    this.encoder = encoder;
    this.backend = backend;
    this.batch = batch;
    this.scope = backend.scope("step");
    try {
      pass = Passes.begin(encoder.config, backend, scope, precision, batch, options, back);
      int d = encoder.config.hiddenSize();
      // Both streams side by side, so that the head reads their concatenation in place.
      DType type = encoder.config.residualArithmetic().streams();
      streams = scope.allocate(type, batch.rows(), 2L * d);
      x1 = streams.columns(0, d);
      x2 = streams.columns(d, d);
      ids = Passes.upload(backend, scope, batch.ids(), batch);
      positions = Passes.upload(backend, scope, batch.positionsOrDefault(), batch);
    } catch (RuntimeException e) {
      scope.close();
      throw e;
    }
  }

  void embed() {
    encoder.embed(x1, x2, ids, positions, pass);
  }

  Branch.Saved[] forward() {
    embed();
    return encoder.stack.forward(x1, x2, pass);
  }

  void backward(Branch.Saved[] saved, Tensor dStreams) {
    int d = encoder.config.hiddenSize();
    Tensor dX1 = dStreams.columns(0, d);
    Tensor dX2 = dStreams.columns(d, d);
    encoder.stack.backward(x1, x2, dX1, dX2, saved, pass);
    backend.residual(dX1, dX2, null, 1, Dropout.NONE);
    encoder.embeddings.backward(dX1, ids, positions, pass);
  }

  @Override
  public void close() {
    scope.close();
  }
}
