package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.reformer4j.api.Backend;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Trace;

/** Gradients of a model's loss against central differences, a parameter at a time. */
final class LossSlope {
  private static final float STEP = 2e-3f;

  private final ReformerModel model;
  private final Batch batch;
  private final CallOptions options;
  private final Random random;
  private final List<int[]> buckets;

  LossSlope(ReformerModel model, Batch batch, CallOptions options, Random random) {
    this.model = model;
    this.batch = batch;
    this.options = options;
    this.random = random;
    this.buckets = buckets();
  }

  /** Returns whether any layer hashes. */
  boolean hashes() {
    return !buckets.isEmpty();
  }

  /** Returns the length of a parameter's gradient. */
  double size(Parameter parameter) {
    double size = 0;
    for (float slope : model.backend().download(parameter.gradient())) {
      size += (double) slope * slope;
    }
    return Math.sqrt(size);
  }

  /**
   * Compares along one direction. Returns whether that was possible: a step that moves a token to
   * another bucket jumps, and says nothing about the slope.
   *
   * @param size of the gradient, for the tolerance
   */
  boolean agrees(Parameter parameter, double size) {
    Backend backend = model.backend();
    float[] values = backend.download(parameter.value());
    float[] gradient = backend.download(parameter.gradient());
    double expected = 0;
    float[] up = values.clone();
    float[] down = values.clone();
    for (int i = 0; i < values.length; i++) {
      // Half along the gradient, so that the slope is large, half at random.
      float direction =
          (float) (gradient[i] / size + random.nextGaussian() / Math.sqrt(values.length));
      up[i] += STEP * direction;
      down[i] -= STEP * direction;
      expected += (double) gradient[i] * ((double) up[i] - down[i]) / (2 * STEP);
    }
    double high = loss(parameter, up);
    boolean same = sameBuckets();
    double low = loss(parameter, down);
    same &= sameBuckets();
    backend.upload(parameter.value(), values);
    if (same) {
      double slope = (high - low) / (2 * STEP);
      assertEquals(expected, slope, Tolerances.LOSS_DIFFERENCE * (1 + size), parameter.toString());
    }
    return same;
  }

  private double loss(Parameter parameter, float[] values) {
    model.backend().upload(parameter.value(), values);
    return model.loss(batch, options);
  }

  private boolean sameBuckets() {
    List<int[]> now = buckets();
    for (int i = 0; i < buckets.size(); i++) {
      if (!Arrays.equals(buckets.get(i), now.get(i))) {
        return false;
      }
    }
    return true;
  }

  private List<int[]> buckets() {
    List<int[]> seen = new ArrayList<>();
    Trace trace =
        new Trace() {
          @Override
          public void buckets(int layer, Tensor tensor, HashSpec hash) {
            seen.add(model.backend().downloadInts(tensor));
          }
        };
    model.loss(batch, options.withTrace(trace));
    return seen;
  }
}
