package org.reformer4j.model.prove;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.model.AttentionKind;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.Precision;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.ResidualArithmetic;

/**
 * How far a training step that rebuilds its layers' inputs is from one that stores them, on a new
 * language model of some depth. Differences are Euclidean and relative: |rebuilt - stored| /
 * |stored|.
 *
 * @param layers how many
 * @param precision of the branches
 * @param arithmetic of the streams
 * @param inputs difference of the two inputs of the first layer, which are rebuilt last
 * @param gradients difference of the gradients of all parameters
 */
public record DepthDrift(
    int layers,
    Precision precision,
    ResidualArithmetic arithmetic,
    double inputs,
    double gradients) {

  /**
   * Measures one model.
   *
   * @param config the model's, but for its depth: its pattern of layers is repeated or cut
   * @param layers how many, at least 1
   * @param precision of the branches
   * @param arithmetic of the streams
   * @param backend where it runs
   * @param length tokens, at most the model's positions
   * @param seed decides weights and tokens
   */
  public static DepthDrift measure(
      ReformerConfig config,
      int layers,
      Precision precision,
      ResidualArithmetic arithmetic,
      Backend backend,
      int length,
      long seed) {
    if (layers < 1) {
      throw new IllegalArgumentException("a depth must be at least 1, got " + layers);
    }
    List<AttentionKind> pattern = config.attnLayers();
    List<AttentionKind> kinds = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      kinds.add(pattern.get(i % pattern.size()));
    }
    ReformerConfig deep =
        config.toBuilder().attnLayers(kinds).residualArithmetic(arithmetic).build();
    int[] ids = new Random(seed).ints(length, 0, config.vocabSize()).toArray();
    Batch batch = Batch.of(ids).withTargets(ids);
    try (ReformerModel model = ReformerModel.create(deep, backend, precision, seed);
        StoredInputs watching = new StoredInputs(backend, false);
        StoredInputs restoring = new StoredInputs(backend, true)) {
      model.enableTraining();
      List<float[]> rebuilt = gradients(model, batch, seed, watching);
      List<float[]> stored = gradients(model, batch, seed, restoring);
      Distance distance = new Distance();
      for (int i = 0; i < stored.size(); i++) {
        distance.add(Distance.widened(rebuilt.get(i)), Distance.widened(stored.get(i)));
      }
      return new DepthDrift(layers, precision, arithmetic, watching.error(), distance.relative());
    }
  }

  /** Returns whether a promise is broken: fixed-point streams are rebuilt bit for bit. */
  public boolean broken() {
    return arithmetic == ResidualArithmetic.FIXED_POINT && (inputs != 0 || gradients != 0);
  }

  private static List<float[]> gradients(
      ReformerModel model, Batch batch, long seed, StoredInputs inputs) {
    model.parameters().zeroGradients(model.backend());
    model.lossAndGradients(batch, CallOptions.training(seed, 1).withTrace(inputs), 1f);
    List<float[]> all = new ArrayList<>();
    for (Parameter parameter : model.parameters().all()) {
      all.add(model.backend().download(parameter.gradient()));
    }
    return all;
  }
}
