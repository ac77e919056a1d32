package org.reformer4j.model;

import java.util.Collection;
import java.util.List;

/** What a model is for: which head stands on the encoder, under Hugging Face's class names. */
public enum Task {
  /** No head: the final hidden states. */
  BASE("ReformerModel", List.of()),
  /**
   * The next token in causal models, the token itself in others: ReformerModelWithLMHead and
   * ReformerForMaskedLM, which share their parameters.
   */
  LANGUAGE_MODEL("ReformerModelWithLMHead", List.of("lm_head.")),
  /** A class, several classes or numbers for each sequence. */
  SEQUENCE_CLASSIFICATION(
      "ReformerForSequenceClassification", List.of("classifier.dense.", "classifier.out_proj.")),
  /**
   * A class for each token. Hugging Face has no such Reformer; names and formula are those of its
   * other models: dropout, then one linear layer {@code classifier}.
   */
  TOKEN_CLASSIFICATION(
      "ReformerForTokenClassification", List.of("classifier.weight", "classifier.bias")),
  /** First and last token of an answer. */
  QUESTION_ANSWERING("ReformerForQuestionAnswering", List.of("qa_outputs.")),
  /**
   * A vector for each sequence, pooled from its tokens; without parameters of its own. Hugging Face
   * has no such Reformer; to its ReformerModel the parameters are those of a base model.
   */
  SENTENCE_EMBEDDING("ReformerForSentenceEmbedding", List.of());

  private static final String MASKED_LM = "ReformerForMaskedLM";

  private final String architecture;
  private final List<String> prefixes;

  Task(String architecture, List<String> prefixes) {
    this.architecture = architecture;
    this.prefixes = prefixes;
  }

  /**
   * Returns the value of {@code architectures} for a model of this task.
   *
   * @param causal whether tokens see only those before them
   */
  public String architecture(boolean causal) {
    return this == LANGUAGE_MODEL && !causal ? MASKED_LM : architecture;
  }

  /**
   * Returns the task of a checkpoint: that of the head whose parameters are there, or else, for
   * sentence embeddings have none, that of {@code architectures}.
   *
   * @param config the checkpoint's
   * @param names its parameters
   */
  public static Task of(ReformerConfig config, Collection<String> names) {
    for (Task task : values()) {
      if (names.stream().anyMatch(task::owns)) {
        return task;
      }
    }
    return config.architectures().contains(SENTENCE_EMBEDDING.architecture)
        ? SENTENCE_EMBEDDING
        : BASE;
  }

  /**
   * Returns the task that {@code architectures} names, {@link #BASE} where it names none.
   *
   * @param config the checkpoint's
   */
  public static Task of(ReformerConfig config) {
    for (Task task : values()) {
      if (config.architectures().contains(task.architecture(config.isDecoder()))) {
        return task;
      }
    }
    return BASE;
  }

  /** Returns whether a parameter belongs to the head of this task. */
  boolean owns(String name) {
    return prefixes.stream().anyMatch(name::startsWith);
  }
}
