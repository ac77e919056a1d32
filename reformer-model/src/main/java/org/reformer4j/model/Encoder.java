package org.reformer4j.model;

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
