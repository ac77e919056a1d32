package org.reformer4j.tests;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.reformer4j.model.Batch;
import org.reformer4j.model.ProblemType;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.Task;
import org.reformer4j.model.train.Example;
import org.reformer4j.model.train.LabelledExamples;

/**
 * For each head something to learn: sequences of 6 to 20 ordinary tokens, with markers among them
 * that decide about the label.
 */
enum Lessons {
  /** Which of three markers is there. */
  CLASSES(Task.SEQUENCE_CLASSIFICATION, null, 3, "accuracy"),
  /** Which of three markers are there. */
  SETS(Task.SEQUENCE_CLASSIFICATION, ProblemType.MULTI_LABEL_CLASSIFICATION, 3, "accuracy"),
  /** The number that the marker stands for. */
  NUMBERS(Task.SEQUENCE_CLASSIFICATION, null, 1, null),
  /** Ordinary tokens, each marker, and what follows a marker. */
  TAGS(Task.TOKEN_CLASSIFICATION, null, 3, "accuracy"),
  /** From the first marker to the second. */
  ANSWERS(Task.QUESTION_ANSWERING, null, 2, "exact_match"),
  /** Pairs have the same marker. */
  PAIRS(Task.SENTENCE_EMBEDDING, null, 2, "retrieval"),
  /** Which token, the same everywhere, was masked. */
  MASKED(Task.LANGUAGE_MODEL, null, 2, null);

  private static final int MASK = 0;
  private static final int FIRST_ORDINARY = 1;
  private static final int FIRST_MARKER = 10;

  final Task task;
  final String score;
  private final ProblemType problem;
  private final int labels;

  Lessons(Task task, ProblemType problem, int labels, String score) {
    this.task = task;
    this.problem = problem;
    this.labels = labels;
    this.score = score;
  }

  ReformerConfig config(ReformerConfigBuilder builder) {
    if (problem != null) {
      builder.problemType(problem);
    }
    return builder.numLabels(labels).build();
  }

  LabelledExamples examples(int count, int seed) {
    Random random = new Random(seed);
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      examples.add(example(random, i));
    }
    return LabelledExamples.of(examples);
  }

  private Example example(Random random, int number) {
    int length = 6 + random.nextInt(15);
    int[] ids = random.ints(length, FIRST_ORDINARY, FIRST_MARKER).toArray();
    int place = random.nextInt(length - 3);
    int marker = random.nextInt(3);
    ids[place] = FIRST_MARKER + marker;
    return switch (this) {
      case CLASSES -> Example.ofClass(ids, marker);
      case NUMBERS -> Example.ofValues(ids, marker - 1f);
      case SETS -> {
        int second = random.nextInt(3);
        ids[place + 2] = FIRST_MARKER + second;
        float[] present = new float[3];
        present[marker] = 1;
        present[second] = 1;
        yield Example.ofValues(ids, present);
      }
      case TAGS -> {
        int[] tags = new int[length];
        tags[place] = 1;
        tags[place + 1] = 2;
        tags[0] = place == 0 ? 1 : Batch.IGNORE;
        yield Example.ofTokens(ids, tags);
      }
      case ANSWERS -> {
        int end = place + 1 + random.nextInt(length - place - 1);
        ids[place] = FIRST_MARKER;
        ids[end] = FIRST_MARKER + 1;
        yield Example.ofAnswer(ids, place, end);
      }
      case PAIRS -> {
        int common = FIRST_MARKER + number % 12;
        int[] other = random.ints(length + 2, FIRST_ORDINARY, FIRST_MARKER).toArray();
        ids[place] = common;
        other[place + 2] = common;
        yield Example.ofPair(ids, other);
      }
      case MASKED -> {
        int[] targets = new int[length];
        Arrays.fill(targets, Batch.IGNORE);
        Arrays.fill(ids, FIRST_ORDINARY + random.nextInt(5));
        targets[place] = ids[place];
        ids[place] = MASK;
        yield Example.ofTokens(ids, targets);
      }
    };
  }
}
