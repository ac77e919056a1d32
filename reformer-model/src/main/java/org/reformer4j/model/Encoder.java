package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** What all tasks share: embeddings, reversible layers and the final norm (ReformerModel). */
final class Encoder {
  final ReformerConfig config;
  final Embeddings embeddings;
  final ReversibleStack stack;
  final FinalNorm norm;

  /** Declares the parameters, in the order of Hugging Face's {@code state_dict}. */
  Encoder(ReformerConfig config, ParameterSet parameters) {
    this.config = config;
    this.embeddings = new Embeddings(config, "reformer.embeddings.", parameters);
    this.stack = ReversibleStack.of(config, "reformer.encoder.layers.", parameters);
    this.norm = new FinalNorm(config, "reformer.encoder.layer_norm.", parameters);
  }

  /**
   * Writes the embedded tokens to both streams.
   *
   * @param x1 [N, D]
   * @param x2 [N, D]
   * @param ids I32 [N]
   * @param positions I32 [N]
   */
  void embed(Tensor x1, Tensor x2, Tensor ids, Tensor positions, Pass pass) {
    Backend backend = pass.backend();
    backend.place("the embeddings");
    if (x1.type() == DType.F32) {
      embeddings.forward(x1, ids, positions, pass);
    } else {
      try (TensorScope scope = backend.scope("embedding")) {
        Tensor floats = scope.allocate(DType.F32, x1.rows(), x1.columns());
        embeddings.forward(floats, ids, positions, pass);
        backend.fill(x1, 0f);
        backend.residual(x1, floats, null, 1, Dropout.NONE);
      }
    }
    backend.copy(x2, x1);
  }

  /** Returns the head of a task, whose parameters it declares; null for none. */
  Head head(Task task, ParameterSet parameters) {
    return switch (task) {
      case BASE -> null;
      case LANGUAGE_MODEL -> new LmHead(config, norm, parameters);
      case SEQUENCE_CLASSIFICATION -> new SequenceClassificationHead(config, norm, parameters);
      case TOKEN_CLASSIFICATION -> new TokenClassificationHead(config, norm, parameters);
      case QUESTION_ANSWERING -> new QuestionAnsweringHead(config, norm, parameters);
      case SENTENCE_EMBEDDING -> new EmbeddingHead(config, norm, EmbeddingOptions.of(config));
    };
  }
}
