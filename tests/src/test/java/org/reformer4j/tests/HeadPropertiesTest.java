package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.EmbeddingOptions;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Pooling;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.SequenceLabels;
import org.reformer4j.model.Task;

/** What a head's results depend on, and what they do not. */
class HeadPropertiesTest {
  private static final int[] LENGTHS = {1, 5, 8, 17, 33, 50};

  static List<String> backends() {
    return TestBackends.names();
  }

  private static int[][] sequences() {
    int[][] sequences = new int[LENGTHS.length][];
    Arrays.setAll(sequences, b -> TestModels.ids(LENGTHS[b], 100 + b));
    return sequences;
  }

  /** Returns the elements of a sequence, without those behind it. */
  private static float[] own(ModelOutput output, int b, int length) {
    float[] all = output.values();
    int stride = all.length / (int) output.shape().dim(0);
    boolean perToken = !output.name().equals("embeddings") && output.shape().rank() > 1;
    int positions = (int) output.shape().dim(1);
    boolean tokens = perToken && (output.shape().rank() == 3 || output.name().contains("_logits"));
    int count = tokens ? stride / positions * length : stride;
    return Arrays.copyOfRange(all, b * stride, b * stride + count);
  }

  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.HeadCases#onAllBackends")
  void raggedBatchEqualsSingleRuns(String name, HeadCases head) {
    int[][] sequences = sequences();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = head.model(backend, false)) {
      Map<String, ModelOutput> together =
          model.outputs(Batch.of(sequences), CallOptions.EVALUATION);
      assertFalse(together.containsKey("loss"), "there are no labels");
      assertFalse(together.isEmpty());
      for (int b = 0; b < sequences.length; b++) {
        Map<String, ModelOutput> alone =
            model.outputs(Batch.of(sequences[b]), CallOptions.EVALUATION);
        for (String output : together.keySet()) {
          float[] row = own(together.get(output), b, LENGTHS[b]);
          String what = output + " of length " + LENGTHS[b];
          assertArrayEquals(own(alone.get(output), 0, LENGTHS[b]), row, what);
          assertTrue(row.length > 0 && Float.isFinite(row[0]) && row[0] != 0, what);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.HeadCases#onAllBackends")
  void raggedLossIsThatOfSingleRuns(String name, HeadCases head) {
    if (head.task == Task.SENTENCE_EMBEDDING) {
      // Its loss compares sequences; with longer ones beside them it must stay the same.
      embeddingLossDoesNotSeePadding(name, head);
      return;
    }
    int[][] sequences = sequences();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = head.model(backend, false)) {
      int[] numbers = {0, 1, 2, 3, 4, 5};
      double together = model.loss(head.labelled(sequences, numbers), CallOptions.EVALUATION);
      double sum = 0;
      long count = 0;
      for (int b = 0; b < sequences.length; b++) {
        Batch alone = head.labelled(new int[][] {sequences[b]}, b);
        long targets = model.targetCount(alone);
        sum += targets * model.loss(alone, CallOptions.EVALUATION);
        count += targets;
      }
      assertEquals(model.targetCount(head.labelled(sequences, numbers)), count);
      assertEquals(sum / count, together, 1e-7 * together);
    }
  }

  private static void embeddingLossDoesNotSeePadding(String name, HeadCases head) {
    int[][] all = sequences();
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = head.model(backend, false)) {
      EmbeddingOptions options = EmbeddingOptions.of(model.config());
      int[][] four = {all[1], all[2], all[3], all[4]};
      double[][] vectors = new double[4][];
      for (int i = 0; i < 4; i++) {
        float[] alone = model.embeddings(Batch.of(four[i]), options, CallOptions.EVALUATION);
        vectors[i] = new double[alone.length];
        for (int j = 0; j < alone.length; j++) {
          vectors[i][j] = alone[j];
        }
      }
      double expected = 0;
      for (int a = 0; a < 4; a++) {
        double total = 0;
        for (int b = 0; b < 4; b++) {
          total += a == b ? 0 : Math.exp(dot(vectors[a], vectors[b]) / options.temperature());
        }
        double own = dot(vectors[a], vectors[a ^ 1]) / options.temperature();
        expected += (Math.log(total) - own) / 4;
      }
      double loss = model.loss(head.labelled(four, 0, 1, 2, 3), CallOptions.EVALUATION);
      assertEquals(expected, loss, 1e-5 * expected);
    }
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.HeadCases#onAllBackends")
  void threadsChangeNoBit(String name, HeadCases head) {
    float[] expected = step(name, head, 7, 1);
    assertTrue(Float.isFinite(expected[0]) && expected[0] > 0);
    assertArrayEquals(expected, step(name, head, 7, 3), "3 threads");
  }

  /** Sums over rows go on where they ended; the final norm's are made of blocks of their own. */
  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.HeadCases#onAllBackends")
  void chunksChangeNoBit(String name, HeadCases head) {
    float[] expected = step(name, head, 7, 2);
    for (int chunk : new int[] {0, 1, 16}) {
      assertArrayEquals(expected, step(name, head, chunk, 2), "chunk " + chunk);
    }
  }

  /** Loss and all gradients of a training step, as one array. */
  private static float[] step(String name, HeadCases head, int chunk, int threads) {
    ReformerConfig config = head.config(true).toBuilder().chunkSizeLmHead(chunk).build();
    try (Backend backend = TestBackends.open(name, threads);
        ReformerModel model =
            ReformerModel.create(config, head.task, backend, Precision.FLOAT32, 2)) {
      model.enableTraining();
      Batch batch = head.labelled(sequences(), 0, 1, 2, 3, 4, 5);
      return TestModels.lossAndGradients(model, batch, CallOptions.training(7, 3));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void poolingLeavesOutWhatTheMaskHides(String name) {
    ReformerConfig config = TestModels.small(2).isDecoder(false).build();
    int[] ids = TestModels.ids(40, 1);
    int[] mask = new int[40];
    Arrays.fill(mask, 3, 30, 1);
    Batch batch = Batch.of(ids).withAttentionMask(mask);
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      float[] hidden = model.lastHiddenState(batch, CallOptions.EVALUATION);
      int width = 2 * config.hiddenSize();
      for (Pooling pooling : Pooling.values()) {
        float[] pooled =
            model.embeddings(
                batch, new EmbeddingOptions(pooling, false, 1), CallOptions.EVALUATION);
        double[] expected = new double[width];
        int from = pooling == Pooling.LAST ? 29 : 3;
        int to = pooling == Pooling.FIRST ? 4 : 30;
        for (int t = from; t < to; t++) {
          for (int i = 0; i < width; i++) {
            expected[i] += hidden[t * width + i] / (double) (to - from);
          }
        }
        Golden.assertClose(pooling.name(), expected, pooled, 2e-6, null);
        float[] unit =
            model.embeddings(batch, new EmbeddingOptions(pooling, true, 1), CallOptions.EVALUATION);
        double length = 0;
        for (float value : unit) {
          length += (double) value * value;
        }
        assertEquals(1, length, 1e-5, "length of a normalised vector");
      }
      Batch nothing = Batch.of(ids).withAttentionMask(new int[40]);
      Throwable error =
          assertThrows(
              IllegalArgumentException.class,
              () -> model.embeddings(nothing, EmbeddingOptions.DEFAULT, CallOptions.EVALUATION));
      assertTrue(error.getMessage().contains("sequence 0"), error.getMessage());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void positionsOfAnswersAreClampedAndIgnored(String name) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = HeadCases.ANSWERS.model(backend, false)) {
      Batch two = Batch.of(TestModels.ids(20, 1), TestModels.ids(12, 2));
      double first = answers(model, two, new int[] {3, 99}, new int[] {7, 99});
      // A sequence ends where it ends, however long the others are; and -5 counts as 0.
      assertEquals(first, answers(model, two, new int[] {3, 12}, new int[] {7, 15}));
      assertEquals(
          answers(model, two, new int[] {0, 0}, new int[] {0, 0}),
          answers(model, two, new int[] {-5, -1}, new int[] {0, -9}));
      Batch alone = Batch.of(TestModels.ids(20, 1));
      assertEquals(first, answers(model, alone, new int[] {3}, new int[] {7}), 1e-9);
      double start = answers(model, alone, new int[] {3}, new int[] {20});
      double end = answers(model, alone, new int[] {20}, new int[] {7});
      assertEquals(first, start + end, 1e-9, "halves of an answer");
      assertThrows(
          IllegalArgumentException.class,
          () -> answers(model, alone, new int[] {20}, new int[] {20}),
          "nothing counts");
    }
  }

  private static double answers(ReformerModel model, Batch batch, int[] starts, int[] ends) {
    return model.loss(batch.withLabels(SequenceLabels.spans(starts, ends)), CallOptions.EVALUATION);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void wrongLabelsSayWhatIsNeeded(String name) {
    Batch batch = Batch.of(TestModels.ids(9, 1), TestModels.ids(9, 2));
    for (HeadCases head : HeadCases.values()) {
      try (Backend backend = TestBackends.open(name);
          ReformerModel model = head.model(backend, false)) {
        Batch spans = batch.withLabels(SequenceLabels.spans(new int[2], new int[2]));
        Batch tokens = batch.withTargets(new int[18]);
        boolean ofTokens =
            head.task == Task.LANGUAGE_MODEL || head.task == Task.TOKEN_CLASSIFICATION;
        Batch wrong = head.task == Task.QUESTION_ANSWERING ? tokens : spans;
        for (Batch labelled : ofTokens ? List.of(spans) : List.of(wrong, tokens)) {
          Throwable error =
              assertThrows(
                  IllegalArgumentException.class,
                  () -> model.loss(labelled, CallOptions.EVALUATION),
                  head.name());
          assertTrue(error.getMessage().contains("the head takes"), error.getMessage());
        }
        assertThrows(
            IllegalArgumentException.class, () -> model.loss(batch, CallOptions.EVALUATION));
      }
    }
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = HeadCases.CLASSES.model(backend, false)) {
      Batch outside = batch.withLabels(SequenceLabels.classes(0, 3));
      Throwable error =
          assertThrows(
              IllegalArgumentException.class, () -> model.loss(outside, CallOptions.EVALUATION));
      assertTrue(error.getMessage().contains("0..2"), error.getMessage());
      Batch half = batch.withLabels(SequenceLabels.classes(Batch.IGNORE, 1));
      Batch second = Batch.of(TestModels.ids(9, 2)).withLabels(SequenceLabels.classes(1));
      assertEquals(
          model.loss(second, CallOptions.EVALUATION), model.loss(half, CallOptions.EVALUATION));
    }
    assertThrows(IllegalArgumentException.class, () -> batch.withLabels(SequenceLabels.classes(1)));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void modelsWithoutSuchAHeadSaySo(String name) {
    ReformerConfig config = TestModels.small(1).attnLayers(List.of(AttentionKind.LOCAL)).build();
    Batch batch = TestModels.batch(1, 9, 1);
    try (Backend backend = TestBackends.open(name);
        ReformerModel base =
            ReformerModel.create(config, Task.BASE, backend, Precision.FLOAT32, 1);
        ReformerModel answers =
            ReformerModel.create(config, Task.QUESTION_ANSWERING, backend, Precision.FLOAT32, 1)) {
      assertEquals("", base.headName());
      assertEquals(List.of("ReformerModel"), base.config().architectures());
      assertThrows(IllegalStateException.class, () -> base.outputs(batch, CallOptions.EVALUATION));
      assertThrows(
          IllegalStateException.class, () -> answers.logits(batch, CallOptions.EVALUATION));
      assertThrows(
          IllegalStateException.class,
          () -> answers.nextTokenLogits(batch, CallOptions.EVALUATION));
      assertThrows(
          IllegalArgumentException.class, () -> answers.decodeCache(CallOptions.EVALUATION));
      assertFalse(answers.hasLmHead());
      assertTrue(
          answers.parameters().all().stream()
              .map(Parameter::name)
              .anyMatch("qa_outputs.weight"::equals));
    }
  }
}
