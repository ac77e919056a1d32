package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.Task;

/** Every head: the gradient of every parameter along a direction against central differences. */
class HeadGradientTest {
  private static final CallOptions OPTIONS = CallOptions.training(3, 5);

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
      LossSlope slope = new LossSlope(model, batch, OPTIONS, random);
      assertTrue(slope.hashes());
      int checked = 0;
      for (Parameter parameter : model.parameters().all()) {
        double size = slope.size(parameter);
        if (withoutGradient(model, parameter)) {
          assertEquals(0, size, 1e-6, parameter.toString());
          size = 1;
        }
        assertTrue(size > 0, parameter + " has no gradient");
        checked += slope.agrees(parameter, size) ? 1 : 0;
      }
      assertTrue(checked >= model.parameters().all().size() / 2, "checked only " + checked);
    }
  }

  /** What is added to the logits of all positions alike changes no softmax over them. */
  private static boolean withoutGradient(ReformerModel model, Parameter parameter) {
    boolean alike = model.config().hiddenDropoutProb() == 0;
    return model.task() == Task.QUESTION_ANSWERING
        && (parameter.name().equals("qa_outputs.bias")
            || alike && parameter.name().equals("reformer.encoder.layer_norm.bias"));
  }
}
