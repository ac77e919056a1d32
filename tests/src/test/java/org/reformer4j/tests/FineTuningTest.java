package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.LoadReport;
import org.reformer4j.model.ModelOutput;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerConfigBuilder;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Task;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.train.BatchShape;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.Example;
import org.reformer4j.model.train.ExampleEvaluator;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.LabelledExamples;
import org.reformer4j.model.train.LearningRate;
import org.reformer4j.model.train.NonFiniteLossException;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.StepReport;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;
import org.reformer4j.model.train.TrainingResult;

/** From a pretrained checkpoint to a model of another task, through the trainer. */
class FineTuningTest {
  private static final LabelledExamples NONE = LabelledExamples.of(List.of());

  @TempDir Path folder;

  private static ReformerConfigBuilder encoder() {
    return TestModels.small(2)
        .isDecoder(false)
        .lshNumChunksAfter(1)
        .initializerRange(0.1)
        .axialNormStd(0.1);
  }

  /** Saves an encoder with a language-model head. */
  private Path pretrained(ReformerConfig config) {
    Path path = folder.resolve("pretrained");
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(config, backend, 5)) {
      model.save(path);
    }
    return path;
  }

  private static TrainingOptions options(long steps, Intervals intervals) {
    return new TrainingOptions(
        3,
        new BatchShape(8, 1, 32),
        OptimizerOptions.adamW(),
        new LearningRate(LearningRate.Schedule.COSINE, 0.01, 0.001, steps / 10, steps),
        intervals);
  }

  @ParameterizedTest
  @EnumSource
  void everyHeadLearnsItsLesson(Lessons lesson) {
    Path start = pretrained(encoder().build());
    Path output = folder.resolve("tuned");
    LabelledExamples train = lesson.examples(lesson == Lessons.PAIRS ? 240 : 400, 1);
    LabelledExamples heldOut = lesson.examples(lesson == Lessons.PAIRS ? 24 : 60, 2);
    ReformerConfig config = lesson.config(encoder());
    Batch batch = Batch.of(TestModels.ids(9, 1), TestModels.ids(14, 2));
    Map<String, ModelOutput> expected;
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model =
            ReformerModel.loadForTask(start, config, lesson.task, backend, Precision.FLOAT32, 4)) {
      double before = ExampleEvaluator.evaluate(model, heldOut, 8, 0).loss();
      EvaluationReport after;
      try (Trainer trainer =
          new Trainer(
              model,
              train,
              heldOut,
              options(250, new Intervals(50, 0, 0, 0)),
              output,
              TrainingListener.NONE)) {
        after = trainer.run().evaluation().orElseThrow();
      }
      System.out.printf(
          "FineTuningTest: %s held-out loss %.3f, after 250 steps %.3f, %s%n",
          lesson, before, after.loss(), after.scores());
      assertTrue(after.loss() < 0.4 * before, lesson + " " + before + " to " + after.loss());
      if (lesson.score == null) {
        assertTrue(after.scores().isEmpty());
      } else {
        assertTrue(after.scores().get(lesson.score) > 0.9, lesson + " " + after.scores());
        String metrics = String.join("\n", TinyTraining.metrics(output));
        assertTrue(metrics.contains("\"validation_" + lesson.score + "\":"), metrics);
      }
      expected = model.outputs(batch, CallOptions.EVALUATION);
    }
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel loaded = ReformerModel.load(output, backend)) {
      assertEquals(lesson.task, loaded.task());
      assertEquals(LoadReport.COMPLETE, loaded.loadReport());
      assertEquals(List.of(lesson.task.architecture(false)), loaded.config().architectures());
      Map<String, ModelOutput> actual = loaded.outputs(batch, CallOptions.EVALUATION);
      assertEquals(expected.keySet(), actual.keySet());
      expected.forEach((n, o) -> assertArrayEquals(o.values(), actual.get(n).values(), n));
    }
  }

  @Test
  void newHeadsAreReportedAndTheRestIsTheCheckpoint() {
    Path golden = Golden.root().resolve("causal-lm");
    ReformerConfig config =
        ConfigJson.read(golden.resolve("config.json")).toBuilder().numLabels(7).build();
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel language = ReformerModel.load(golden, backend);
        ReformerModel model =
            ReformerModel.loadForTask(
                golden, config, Task.SEQUENCE_CLASSIFICATION, backend, Precision.FLOAT32, 9)) {
      LoadReport report = model.loadReport();
      assertEquals(
          List.of(
              "classifier.dense.weight",
              "classifier.dense.bias",
              "classifier.out_proj.weight",
              "classifier.out_proj.bias"),
          report.initialized());
      assertEquals(
          List.of("lm_head.bias", "lm_head.decoder.weight"),
          report.unused().stream().sorted().toList());
      assertTrue(report.toString().contains("newly initialised"), report.toString());
      for (Parameter parameter : model.parameters().all()) {
        float[] values = backend.download(parameter.value());
        if (parameter.name().startsWith("reformer.")) {
          Parameter pretrained = language.parameters().find(parameter.name());
          assertArrayEquals(backend.download(pretrained.value()), values, parameter.name());
        } else if (parameter.name().endsWith("weight")) {
          assertTrue(values[0] != 0 && Math.abs(values[0]) < 0.2, parameter.name());
        }
      }
      assertEquals("\"last\"", model.config().extra().get("pooling"));
      assertEquals(LoadReport.COMPLETE, language.loadReport());
    }
  }

  /** Hugging Face's classifier sees one token of a causal model, the first; so no other counts. */
  @Test
  void newClassifiersOfCausalModelsSeeTheWholeSequence() {
    ReformerConfig causal = encoder().isDecoder(true).lshNumChunksAfter(0).numLabels(2).build();
    ReformerConfig first = causal.toBuilder().extra(Map.of("pooling", "\"first\"")).build();
    Path start = pretrained(causal);
    Task task = Task.SEQUENCE_CLASSIFICATION;
    Path saved = folder.resolve("saved");
    Path classic = folder.resolve("classic");
    int[] ids = TestModels.ids(20, 1);
    int[] other = ids.clone();
    other[7] = (ids[7] + 1) % TestModels.VOCABULARY;
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel tuned =
            ReformerModel.loadForTask(start, causal, task, backend, Precision.FLOAT32, 4);
        ReformerModel fresh = ReformerModel.create(causal, task, backend, Precision.FLOAT32, 4);
        ReformerModel firsts = ReformerModel.create(first, task, backend, Precision.FLOAT32, 4)) {
      assertTrue(logits(tuned, ids)[0] != logits(tuned, other)[0]);
      assertTrue(logits(fresh, ids)[0] != logits(fresh, other)[0]);
      assertArrayEquals(logits(firsts, ids), logits(firsts, other));
      fresh.save(saved);
      firsts.save(classic);
      // A folder of Hugging Face, whose config does not say it, gives Hugging Face's numbers.
      ConfigJson.write(classic.resolve("config.json"), causal);
      try (ReformerModel again = ReformerModel.load(saved, backend);
          ReformerModel asInHuggingFace = ReformerModel.load(classic, backend)) {
        assertArrayEquals(logits(fresh, ids), logits(again, ids));
        assertArrayEquals(logits(firsts, ids), logits(asInHuggingFace, ids));
      }
    }
  }

  private static float[] logits(ReformerModel model, int[] ids) {
    return model.logits(Batch.of(ids), CallOptions.EVALUATION);
  }

  @Test
  void missingEncodersAndOtherShapesAreErrors() {
    Path start = pretrained(encoder().build());
    try (Backend backend = TinyTraining.backend(2)) {
      String deeper = failure(start, TestModels.small(3).build(), Task.QUESTION_ANSWERING, backend);
      assertTrue(deeper.contains("missing reformer.encoder.layers.2."), deeper);
      String wider =
          failure(start, encoder().vocabSize(24).build(), Task.SEQUENCE_CLASSIFICATION, backend);
      assertTrue(wider.contains("mis-shaped reformer.embeddings.word_embeddings"), wider);
      Path tagged = folder.resolve("tagged");
      try (ReformerModel model =
          ReformerModel.loadForTask(
              start,
              encoder().numLabels(3).build(),
              Task.TOKEN_CLASSIFICATION,
              backend,
              Precision.FLOAT32,
              1)) {
        model.save(tagged);
      }
      String labels =
          failure(tagged, encoder().numLabels(4).build(), Task.TOKEN_CLASSIFICATION, backend);
      assertTrue(labels.contains("mis-shaped classifier.weight"), labels);
      assertEquals(0, backend.liveBytes());
    }
  }

  private static String failure(Path start, ReformerConfig config, Task task, Backend backend) {
    return assertThrows(
            CheckpointException.class,
            () -> ReformerModel.loadForTask(start, config, task, backend, Precision.FLOAT32, 1))
        .getMessage();
  }

  @Test
  void resumedTrainingGivesTheSameBits() {
    Path start = pretrained(encoder().build());
    LabelledExamples train = Lessons.CLASSES.examples(30, 1);
    TrainingOptions options = options(9, new Intervals(1, 3, 0, 0));
    Path whole = folder.resolve("whole");
    assertEquals(9, train(start, train, options, whole, Long.MAX_VALUE).steps());
    Path parts = folder.resolve("parts");
    assertTrue(train(start, train, options, parts, 4).stopped());
    assertEquals(9, train(start, train, options, parts, Long.MAX_VALUE).steps());
    assertArrayEquals(
        TinyTraining.bytes(whole, Trainer.STATE_FILE),
        TinyTraining.bytes(parts, Trainer.STATE_FILE));
    assertEquals(TinyTraining.metrics(whole), TinyTraining.metrics(parts));
    Throwable error =
        assertThrows(
            CheckpointException.class,
            () -> train(start, Lessons.CLASSES.examples(30, 3), options, parts, Long.MAX_VALUE));
    assertTrue(error.getMessage().contains("training text"), error.getMessage());
  }

  private static TrainingResult train(
      Path start, LabelledExamples train, TrainingOptions options, Path output, long stopAt) {
    AtomicReference<Trainer> running = new AtomicReference<>();
    TrainingListener stopper =
        new TrainingListener() {
          @Override
          public void step(StepReport report) {
            assertTrue(report.tokensPerSecond() > 0);
            if (report.step() == stopAt) {
              running.get().stopAfterCurrentStep();
            }
          }
        };
    ReformerConfig config = Lessons.CLASSES.config(TestModels.withDropout(encoder()));
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model =
            ReformerModel.loadForTask(
                start, config, Lessons.CLASSES.task, backend, Precision.FLOAT32, 4);
        Trainer trainer =
            new Trainer(model, train, Lessons.CLASSES.examples(11, 2), options, output, stopper)) {
      running.set(trainer);
      trainer.resume();
      return trainer.run();
    }
  }

  @Test
  void evaluationDoesNotDependOnTheBatch() {
    for (Lessons lesson : Lessons.values()) {
      if (lesson == Lessons.PAIRS) {
        continue;
      }
      LabelledExamples examples = lesson.examples(13, 2);
      try (Backend backend = TinyTraining.backend(2);
          ReformerModel model =
              ReformerModel.create(
                  lesson.config(encoder()), lesson.task, backend, Precision.FLOAT32, 4)) {
        EvaluationReport alone = ExampleEvaluator.evaluate(model, examples, 1, 0);
        EvaluationReport together = ExampleEvaluator.evaluate(model, examples, 5, 0);
        assertEquals(alone.loss(), together.loss(), 1e-6 * alone.loss(), lesson.name());
        assertEquals(alone.bytes(), together.bytes());
        assertEquals(alone.scores(), together.scores());
        assertTrue(ExampleEvaluator.evaluate(model, examples, 5, 4).bytes() < alone.bytes());
      }
    }
  }

  @Test
  void aHeadThatBreaksIsNamed() {
    Path output = folder.resolve("broken");
    TrainingOptions options = options(2, new Intervals(1, 0, 0, 0));
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model =
            ReformerModel.create(
                Lessons.CLASSES.config(encoder()),
                Lessons.CLASSES.task,
                backend,
                Precision.FLOAT32,
                4)) {
      backend.fill(
          model.parameters().find("classifier.out_proj.bias").value(), Float.NEGATIVE_INFINITY);
      LabelledExamples train = Lessons.CLASSES.examples(9, 1);
      try (Trainer trainer =
          new Trainer(model, train, NONE, options, output, TrainingListener.NONE)) {
        assertEquals(
            "classifier", assertThrows(NonFiniteLossException.class, trainer::run).layer());
      }
    }
  }

  @Test
  void examplesThatDoNotFitAreNamed() {
    ReformerConfig config = encoder().numLabels(3).build();
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model =
            ReformerModel.create(
                config, Task.SEQUENCE_CLASSIFICATION, backend, Precision.FLOAT32, 4)) {
      int[] ids = TestModels.ids(9, 1);
      Example good = Example.ofClass(ids, 2);
      refused(model, "example 1 .*0..2", good, Example.ofClass(ids, 3));
      refused(model, "example 1 .*no label", good, Example.ofClass(ids, Batch.IGNORE));
      refused(model, "example 1 .*33 tokens", good, Example.ofClass(new int[33], 0));
      refused(model, "example 1 .*vocabulary", good, Example.ofClass(new int[] {99}, 0));
      refused(model, "example 0 .*the head takes", Example.ofAnswer(ids, 1, 2));
      refused(model, "example 0 .*pairs", Example.ofPair(ids, ids));
      refused(model, "another kind", good, Example.ofTokens(ids, ids));
      refused(model, "no examples");
      assertThrows(IllegalArgumentException.class, () -> Example.ofTokens(ids, new int[2]));
      assertThrows(IllegalArgumentException.class, () -> Example.ofClass(new int[0], 1));
    }
  }

  private void refused(ReformerModel model, String words, Example... examples) {
    Throwable error =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                new Trainer(
                    model,
                    LabelledExamples.of(List.of(examples)),
                    NONE,
                    options(1, new Intervals(1, 0, 0, 0)),
                    folder.resolve("refused"),
                    TrainingListener.NONE));
    assertTrue(error.getMessage().matches("(?s).*" + words + ".*"), error.getMessage());
  }
}
