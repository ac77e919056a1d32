package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.train.Intervals;
import org.reformer4j.model.train.NonFiniteLossException;
import org.reformer4j.model.train.OptimizerOptions;
import org.reformer4j.model.train.Trainer;
import org.reformer4j.model.train.TrainingListener;
import org.reformer4j.model.train.TrainingOptions;
import org.reformer4j.model.train.TrainingResult;

/** A number that is not finite stops the training before it spoils the parameters. */
class NonFiniteLossTest {
  @TempDir Path folder;

  @Test
  void nonFiniteLossNamesTheLayerAndKeepsTheCheckpoint() {
    plant("reformer.embeddings.word_embeddings.weight", "reformer.embeddings");
    String layer = "reformer.encoder.layers.1.";
    plant(layer + "attention.self_attention.value.weight", layer + "attention");
    plant(layer + "attention.self_attention.query_key.weight", layer + "attention");
    plant(layer + "feed_forward.dense.dense.weight", layer + "feed_forward");
    plant(
        "reformer.encoder.layers.0.attention.output.dense.weight",
        "reformer.encoder.layers.0.attention");
    plant("lm_head.bias", "lm_head");
  }

  /** Trains two steps, plants NaN, and lets the third fail. */
  private void plant(String parameter, String layer) {
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 5, new Intervals(1, 0, 2, 0));
    Path output = folder.resolve(parameter);
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3)) {
      TrainingListener planter =
          new TrainingListener() {
            @Override
            public void saved(long step, Path where) {
              float[] values = backend.download(model.parameters().find(parameter).value());
              Arrays.fill(values, Float.NaN);
              backend.upload(model.parameters().find(parameter).value(), values);
            }
          };
      try (Trainer trainer =
          new Trainer(
              model, TinyTraining.TRAIN, TinyTraining.VALIDATION, options, output, planter)) {
        NonFiniteLossException e = assertThrows(NonFiniteLossException.class, trainer::run);
        assertEquals(layer, e.layer());
        assertEquals(3, e.step());
        for (String part : List.of(layer, "step 3", "learning rate", "clip", "data")) {
          assertTrue(e.getMessage().contains(part), e.getMessage());
        }
      }
    }
    TrainingResult result = TinyTraining.run(options, output);
    assertEquals(5, result.steps());
    assertTrue(Double.isFinite(result.loss()));
  }

  @Test
  void nonFiniteGradientNamesTheParameter() {
    // With embeddings of zero all streams and logits are zero, but the gradient through the last
    // norm is multiplied by its gain and by the inverse of a deviation of zero.
    TrainingOptions options =
        TinyTraining.options(OptimizerOptions.adamW(), 5, new Intervals(1, 0, 0, 0));
    try (Backend backend = TinyTraining.backend(2);
        ReformerModel model = ReformerModel.create(TinyTraining.config(), backend, 3);
        Trainer trainer =
            new Trainer(
                model,
                TinyTraining.TRAIN,
                TinyTraining.VALIDATION,
                options,
                folder,
                TrainingListener.NONE)) {
      for (Parameter parameter : model.parameters().all()) {
        if (parameter.name().startsWith("reformer.embeddings.")) {
          backend.fill(parameter.value(), 0f);
        }
      }
      Parameter gain = model.parameters().find("reformer.encoder.layer_norm.weight");
      backend.fill(gain.value(), Float.MAX_VALUE);
      NonFiniteLossException e = assertThrows(NonFiniteLossException.class, trainer::run);
      assertEquals(1, e.step());
      assertEquals("reformer.embeddings.word_embeddings.weight", e.layer());
      assertTrue(e.getMessage().contains("gradient"), e.getMessage());
      assertFalse(Files.exists(folder.resolve(Trainer.STATE_FILE)));
    }
  }
}
