package org.reformer4j.model.train;

import org.reformer4j.api.Backend;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

/** Runs a pass again to find what first produced a number that is not finite. */
final class NonFiniteSearch implements Trace {
  private final Backend backend;
  private String found;

  private NonFiniteSearch(Backend backend) {
    this.backend = backend;
  }

  /** Returns the name of the first part of the model with such a result. */
  static String firstLayer(ReformerModel model, Batch batch, CallOptions options) {
    NonFiniteSearch search = new NonFiniteSearch(model.backend());
    model.loss(batch, options.withTrace(search));
    return search.found == null ? model.headName() : search.found;
  }

  @Override
  public void layerInput(int layer, Tensor x1, Tensor x2) {
    if (found != null) {
      return;
    }
    boolean first = Double.isFinite(backend.sumOfSquares(x1));
    if (first && Double.isFinite(backend.sumOfSquares(x2))) {
      return;
    }
    String before = "reformer.encoder.layers." + (layer - 1);
    found = layer == 0 ? "reformer.embeddings" : before + (first ? ".feed_forward" : ".attention");
  }
}
