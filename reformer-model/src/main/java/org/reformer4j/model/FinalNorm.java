package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** dropout(LayerNorm([x1, x2])): the end of the encoder, Hugging Face's last_hidden_state. */
final class FinalNorm {
  private final ReformerConfig config;
  private final Norm norm;

  FinalNorm(ReformerConfig config, String prefix, ParameterSet parameters) {
    this.config = config;
    this.norm = new Norm(config, prefix, 2L * config.hiddenSize(), parameters);
  }

  /**
   * Returns the final hidden states of some rows, as activations.
   *
   * @param rows [n, 2D], rows of the streams
   * @param firstRow number of the first row, which decides its dropout
   */
  Tensor forward(Tensor rows, long firstRow, TensorScope scope, Pass pass) {
    if (dropout(pass).isNone()) {
      return norm.forward(pass.backend(), scope, rows, pass.activations());
    }
    return pass.activation(floats(rows, firstRow, scope, pass), scope);
  }

  /** Returns the final hidden states of some rows as floats, as {@link #forward} otherwise. */
  Tensor floats(Tensor rows, long firstRow, TensorScope scope, Pass pass) {
    Tensor out = norm.forward(pass.backend(), scope, rows, DType.F32);
    Dropout dropout = dropout(pass);
    if (!dropout.isNone()) {
      pass.backend().dropout(out, dropout.from(firstRow));
    }
    return out;
  }

  /** dRows = gradient through norm and dropout; dOut, of floats, is used up. */
  void backward(Tensor dRows, Tensor dOut, Tensor rows, long firstRow, Pass pass) {
    Backend backend = pass.backend();
    backend.dropout(dOut, dropout(pass).from(firstRow));
    backend.fill(dRows, 0f);
    norm.backward(backend, dRows, dOut, rows);
  }

  private Dropout dropout(Pass pass) {
    return pass.dropout(config.hiddenDropoutProb(), 0, RandomPurpose.FINAL_HIDDEN);
  }
}
