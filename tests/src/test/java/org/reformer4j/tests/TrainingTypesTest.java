package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.train.Evaluator;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;

/** Training in float32 and bfloat16 from end to end: twenty steps, compared one by one. */
@EnabledIf("org.reformer4j.tests.TestBackends#computeBfloat16")
class TrainingTypesTest {
  private static final int STEPS = 20;

  @TempDir Path folder;

  static List<String> backends() {
    return TestBackends.computing(DType.BF16);
  }

  private static ReformerConfig config() {
    return ShortTraining.model(
            32,
            16,
            16,
            AttentionKind.LOCAL,
            AttentionKind.LSH,
            AttentionKind.LOCAL,
            AttentionKind.LSH)
        .build();
  }

  private static TrainingOptions options() {
    return ShortTraining.options(2, 48, STEPS);
  }

  private ShortTraining.Run run(
      String name, String part, ReformerConfig config, TrainingOptions options) {
    try (Backend backend = TestBackends.open(name)) {
      return ShortTraining.run(backend, config, options, folder.resolve(part));
    }
  }

  private static void same(ShortTraining.Run expected, ShortTraining.Run actual) {
    assertEquals(expected.losses(), actual.losses());
    assertEquals(expected.norms(), actual.norms());
    for (int i = 0; i < expected.parameters().size(); i++) {
      assertArrayEquals(expected.parameters().get(i), actual.parameters().get(i), "parameter " + i);
    }
  }

  private static void close(
      List<Double> expected, List<Double> actual, double tolerance, String what) {
    assertEquals(STEPS, expected.size());
    assertEquals(STEPS, actual.size());
    for (int i = 0; i < STEPS; i++) {
      assertEquals(expected.get(i), actual.get(i), tolerance * expected.get(i), what + " " + i);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyStepAgreesWithTheReference(String name) {
    ShortTraining.Run expected;
    try (Backend reference = TestBackends.reference()) {
      expected = ShortTraining.run(reference, config(), options(), folder.resolve("reference"));
    }
    ShortTraining.Run actual = run(name, "first", config(), options());
    double first = expected.losses().get(0);
    double last = expected.losses().get(STEPS - 1);
    assertTrue(last < first - 1, "it learns: from " + first + " to " + last);
    close(expected.losses(), actual.losses(), Tolerances.TRAINING, "loss");
    close(expected.norms(), actual.norms(), Tolerances.TRAINING, "gradient norm");
    same(actual, run(name, "second", config(), options()));

    TrainingOptions rounded = options().withPrecision(Precision.BFLOAT16);
    ShortTraining.Run bfloat16 = run(name, "bfloat16", config(), rounded);
    close(expected.losses(), bfloat16.losses(), Tolerances.TRAINING_LOSS_BF16, "bfloat16 loss");
    assertNotEquals(actual.losses(), bfloat16.losses(), "it was computed in bfloat16");
    same(bfloat16, run(name, "bfloat16-again", config(), rounded));
  }

  /** Heads and chunks of 64: what the fast attentions take. */
  @ParameterizedTest
  @MethodSource("backends")
  void bfloat16OnFastPathsStaysCloseToTheReference(String name) {
    ReformerConfig config =
        ShortTraining.model(64, 64, 64, AttentionKind.LOCAL, AttentionKind.LSH).build();
    TrainingOptions options = ShortTraining.options(1, 128, STEPS);
    ShortTraining.Run expected;
    try (Backend reference = TestBackends.reference()) {
      expected = ShortTraining.run(reference, config, options, folder.resolve("reference"));
    }
    ShortTraining.Run actual =
        run(name, "bfloat16", config, options.withPrecision(Precision.BFLOAT16));
    close(expected.losses(), actual.losses(), Tolerances.TRAINING_LOSS_BF16, "loss");
  }

  /** The rounded copies of matrices must be made anew from what is loaded. */
  @ParameterizedTest
  @MethodSource("backends")
  void resumedAndLoadedModelsComputeWithTheSavedMatrices(String name) {
    ReformerConfig config = ShortTraining.model(16, 8, 8, AttentionKind.LSH).build();
    TrainingOptions options = ShortTraining.options(1, 24, 6).withPrecision(Precision.BFLOAT16);
    ShortTraining.Run whole = run(name, "whole", config, options);
    Path parts = folder.resolve("parts");
    try (Backend backend = TestBackends.open(name)) {
      ShortTraining.run(backend, config, options, parts, 3);
      ShortTraining.Run rest = ShortTraining.run(backend, config, options, parts);
      assertEquals(whole.losses().subList(3, 6), rest.losses());
      try (ReformerModel loaded = ReformerModel.load(parts, backend, Precision.BFLOAT16);
          ReformerModel floats = ReformerModel.load(parts, backend);
          ReformerModel fresh = ReformerModel.create(config, backend, Precision.BFLOAT16, 5)) {
        for (int i = 0; i < whole.parameters().size(); i++) {
          assertArrayEquals(whole.parameters().get(i), values(loaded, i), "parameter " + i);
        }
        double loss = loss(loaded);
        assertEquals(loss(floats), loss, Tolerances.TRAINING_LOSS_BF16 * loss);
        assertNotEquals(loss(floats), loss);
        assertTrue(loss(fresh) > loss + 0.1, "the fresh one has not learned");
        assertThrows(
            IllegalArgumentException.class,
            () ->
                new Trainer(
                    floats,
                    ShortTraining.CORPUS,
                    ShortTraining.CORPUS.slice(0, 0),
                    options,
                    parts,
                    TrainingListener.NONE));
      }
    }
  }

  private static float[] values(ReformerModel model, int index) {
    Parameter parameter = List.copyOf(model.parameters().all()).get(index);
    return model.backend().download(parameter.value());
  }

  private static double loss(ReformerModel model) {
    return Evaluator.evaluate(model, ShortTraining.CORPUS, 24, 4).loss();
  }
}
