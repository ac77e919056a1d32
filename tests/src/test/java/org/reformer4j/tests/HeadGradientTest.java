package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Task;
import org.reformer4j.model.Trace;

/** Every head: the gradient of every parameter along a direction against central differences. */
class HeadGradientTest {
  private static final CallOptions OPTIONS = CallOptions.training(3, 5);
  private static final float STEP = 2e-3f;

  private static Batch batch(HeadCases head) {
    int[][] sequences = new int[5][];
    Arrays.setAll(sequences, b -> TestModels.ids(9 + 5 * b, 40 + b));
    return head.labelled(sequences, 0, 1, 2, 3, 4);
  }

  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.HeadCases#onAllBackends")
  void everyGradientIsTheSlopeWithDropout(String backendName, HeadCases head) {
    check(backendName, head, true);
  }

  @ParameterizedTest
  @MethodSource("org.reformer4j.tests.HeadCases#onAllBackends")
  void everyGradientIsTheSlope(String backendName, HeadCases head) {
    check(backendName, head, false);
  }

  private static void check(String backendName, HeadCases head, boolean dropout) {
    Batch batch = batch(head);
    try (Backend backend = TestBackends.open(backendName);
        ReformerModel model = head.model(backend, dropout)) {
      // Biases and norms start at constants, which would hide what depends on them.
      Random random = new Random(4);
      for (Parameter parameter : model.parameters().all()) {
        if (parameter.initializer().standardDeviation() == 0) {
          float[] values = backend.download(parameter.value());
          for (int i = 0; i < values.length; i++) {
            values[i] += 0.2f * (float) random.nextGaussian();
          }
          backend.upload(parameter.value(), values);
        }
      }
      model.enableTraining();
      double loss = model.lossAndGradients(batch, OPTIONS, 1f);
      assertEquals(loss, model.loss(batch, OPTIONS), 1e-6 * loss, "the same loss both ways");
      List<int[]> buckets = buckets(model, batch);
      int checked = 0;
      for (Parameter parameter : model.parameters().all()) {
        checked += slope(model, parameter, batch, buckets, random) ? 1 : 0;
      }
      assertTrue(checked >= model.parameters().all().size() / 2, "checked only " + checked);
    }
  }

  /** Returns whether the slope could be compared: not where the step moves a token's bucket. */
  private static boolean slope(
      ReformerModel model, Parameter parameter, Batch batch, List<int[]> buckets, Random random) {
    Backend backend = model.backend();
    float[] values = backend.download(parameter.value());
    float[] gradient = backend.download(parameter.gradient());
    double size = 0;
    for (float slope : gradient) {
      size += (double) slope * slope;
    }
    size = Math.sqrt(size);
    if (withoutGradient(model, parameter)) {
      assertEquals(0, size, 1e-6, parameter.toString());
      size = 1;
    }
    assertTrue(size > 0, parameter + " has no gradient");
    double expected = 0;
    float[] up = values.clone();
    float[] down = values.clone();
    for (int i = 0; i < values.length; i++) {
      // Half along the gradient, so that the slope is large, half at random.
      double direction = gradient[i] / size + random.nextGaussian() / Math.sqrt(values.length);
      up[i] += STEP * (float) direction;
      down[i] -= STEP * (float) direction;
      expected += (double) gradient[i] * ((double) up[i] - down[i]) / (2 * STEP);
    }
    double high = loss(model, parameter, up, batch);
    boolean same = equal(buckets, buckets(model, batch));
    double low = loss(model, parameter, down, batch);
    same &= equal(buckets, buckets(model, batch));
    backend.upload(parameter.value(), values);
    if (same) {
      double slope = (high - low) / (2 * STEP);
      assertEquals(expected, slope, Tolerances.LOSS_DIFFERENCE * (1 + size), parameter.toString());
    }
    return same;
  }

  /** What is added to the logits of all positions alike changes no softmax over them. */
  private static boolean withoutGradient(ReformerModel model, Parameter parameter) {
    boolean alike = model.config().hiddenDropoutProb() == 0;
    return model.task() == Task.QUESTION_ANSWERING
        && (parameter.name().equals("qa_outputs.bias")
            || alike && parameter.name().equals("reformer.encoder.layer_norm.bias"));
  }

  private static double loss(
      ReformerModel model, Parameter parameter, float[] values, Batch batch) {
    model.backend().upload(parameter.value(), values);
    return model.loss(batch, OPTIONS);
  }

  private static List<int[]> buckets(ReformerModel model, Batch batch) {
    List<int[]> seen = new ArrayList<>();
    Trace trace =
        new Trace() {
          @Override
          public void buckets(int layer, Tensor buckets, HashSpec hash) {
            seen.add(model.backend().downloadInts(buckets));
          }
        };
    model.loss(batch, OPTIONS.withTrace(trace));
    return seen;
  }

  private static boolean equal(List<int[]> expected, List<int[]> actual) {
    for (int i = 0; i < expected.size(); i++) {
      if (!Arrays.equals(expected.get(i), actual.get(i))) {
        return false;
      }
    }
    return !expected.isEmpty();
  }
}
