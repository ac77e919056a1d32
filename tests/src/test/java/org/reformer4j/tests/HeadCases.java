package org.reformer4j.tests;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Batch;
import org.reformer4j.model.EmbeddingOptions;
import org.reformer4j.model.Pooling;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.SequenceLabels;
import org.reformer4j.model.Task;

/** Every head on a small bidirectional model, with labels for sequences of some lengths. */
public enum HeadCases {
  MASKED_LM(Task.LANGUAGE_MODEL, null, TestModels.VOCABULARY, null),
  CLASSES(Task.SEQUENCE_CLASSIFICATION, null, 3, null),
  CLASSES_OF_THE_MEAN(Task.SEQUENCE_CLASSIFICATION, null, 3, Pooling.MEAN),
  MULTI_LABEL(Task.SEQUENCE_CLASSIFICATION, ProblemType.MULTI_LABEL_CLASSIFICATION, 4, null),
  REGRESSION(Task.SEQUENCE_CLASSIFICATION, ProblemType.REGRESSION, 2, Pooling.LAST),
  TAGS(Task.TOKEN_CLASSIFICATION, null, 5, null),
  ANSWERS(Task.QUESTION_ANSWERING, null, 2, null),
  EMBEDDING_OF_THE_MEAN(Task.SENTENCE_EMBEDDING, null, 2, Pooling.MEAN),
  EMBEDDING_OF_THE_LAST(Task.SENTENCE_EMBEDDING, null, 2, Pooling.LAST);

  /** Which head. */
  public final Task task;

  private final ProblemType problem;
  private final int labels;
  private final Pooling pooling;

  HeadCases(Task task, ProblemType problem, int labels, Pooling pooling) {
    this.task = task;
    this.problem = problem;
    this.labels = labels;
    this.pooling = pooling;
  }

  /** Returns every case on every usable backend. */
  public static Stream<Arguments> onAllBackends() {
    return TestBackends.with(List.of(values()));
  }

  /** Returns the model's shape. */
  public ReformerConfig config(boolean dropout) {
    // No kinks: few tokens reach a head of sequences, and a kink between two of them shows.
    ReformerConfigBuilder builder =
        TestModels.small(2).isDecoder(false).lshNumChunksAfter(1).hiddenAct(Activation.TANH);
    if (dropout) {
      TestModels.withDropout(builder).classifierDropout(0.25);
    }
    if (problem != null) {
      builder.problemType(problem);
    }
    // Chunks of 7 rows, so that no head sees a whole sequence at once.
    ReformerConfig config = builder.numLabels(labels).chunkSizeLmHead(7).build();
    if (pooling == null) {
      return config;
    }
    // Lengths count in one of the two embeddings. The temperatures keep the loss's slopes small.
    boolean normalize = this != EMBEDDING_OF_THE_LAST;
    return new EmbeddingOptions(pooling, normalize, normalize ? 0.7 : 20).in(config);
  }

  /** Makes the model. */
  public ReformerModel model(Backend backend, boolean dropout) {
    return ReformerModel.create(config(dropout), task, backend, Precision.FLOAT32, 2);
  }

  /** Returns the batch of some sequences with labels that depend on their numbers alone. */
  public Batch labelled(int[][] sequences, int... numbers) {
    Batch batch = Batch.of(sequences);
    int b = sequences.length;
    int[] classes = new int[b];
    float[] values = new float[b * labels];
    int[] ends = new int[b];
    int[] groups = new int[b];
    int[] targets = new int[batch.rows()];
    for (int i = 0; i < b; i++) {
      classes[i] = numbers[i] % 3;
      groups[i] = numbers[i] / 2;
      ends[i] = Math.min(sequences[i].length - 1, 2 * numbers[i] + 1);
      for (int l = 0; l < labels; l++) {
        values[i * labels + l] = (numbers[i] + l) % 2;
      }
      for (int t = 0; t < sequences[i].length; t++) {
        boolean counts = (numbers[i] + t) % 4 != 0 || t == 0;
        targets[i * batch.length() + t] = counts ? (numbers[i] + 3 * t) % labels : Batch.IGNORE;
      }
    }
    return switch (task) {
      case BASE -> batch;
      case LANGUAGE_MODEL, TOKEN_CLASSIFICATION -> batch.withTargets(targets);
      case SEQUENCE_CLASSIFICATION ->
          batch.withLabels(
              problem == null
                  ? SequenceLabels.classes(classes)
                  : SequenceLabels.values(labels, values));
      case QUESTION_ANSWERING -> batch.withLabels(SequenceLabels.spans(new int[b], ends));
      case SENTENCE_EMBEDDING -> batch.withLabels(SequenceLabels.classes(groups));
    };
  }
}
