package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.Backend;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.ReformerModel;
import org.reformer4j.model.text.ByteTokenizer;
import org.reformer4j.model.text.Corpus;
import org.reformer4j.model.train.EvaluationReport;
import org.reformer4j.model.train.Evaluator;

/** The loss on held-out text is the mean over its bytes, each predicted once. */
class EvaluatorTest {
  private Backend backend;
  private ReformerModel model;

  @BeforeEach
  void create() {
    backend = TinyTraining.backend(2);
    // A large range, so that bytes differ in loss and a wrong mean shows.
    model = ReformerModel.create(TinyTraining.builder().initializerRange(0.5).build(), backend, 5);
  }

  @AfterEach
  void close() {
    model.close();
    backend.close();
  }

  /** Sums -log p of the bytes after each start, from logits, in double. */
  private double sum(Corpus text, List<Integer> starts, int context) {
    double sum = 0;
    for (int start : starts) {
      int count = (int) Math.min(context, text.length() - 1 - start);
      int[] ids = new int[count];
      text.copyIds(start, count, ids, 0);
      float[] logits = model.logits(Batch.of(ids, count), CallOptions.EVALUATION);
      for (int t = 0; t < count; t++) {
        int target = Byte.toUnsignedInt(text.at(start + t + 1)) + ByteTokenizer.OFFSET;
        double total = 0;
        for (int v = 0; v < 258; v++) {
          total += Math.exp(logits[t * 258 + v]);
        }
        sum += Math.log(total) - logits[t * 258 + target];
      }
    }
    return sum;
  }

  @Test
  void allWindowsWithTheRaggedLastOne() {
    Corpus text = TinyTraining.corpus("held-out text: ", 91);
    EvaluationReport report = Evaluator.evaluate(model, text, 32, 0);
    assertEquals(90, report.bytes());
    assertEquals(sum(text, List.of(0, 32, 64), 32) / 90, report.loss(), 1e-5);
    assertEquals(report.loss() / Math.log(2), report.bitsPerByte());
  }

  @Test
  void manyWindowsSpanSeveralBatches() {
    Corpus text = TinyTraining.corpus("held-out text, longer: ", 6000);
    List<Integer> starts = IntStream.range(0, 188).mapToObj(i -> i * 32).toList();
    EvaluationReport report = Evaluator.evaluate(model, text, 32, 0);
    assertEquals(5999, report.bytes());
    assertEquals(sum(text, starts, 32) / 5999, report.loss(), 1e-5);
  }

  @Test
  void limitedWindowsAreSpreadEvenlyAndWhole() {
    Corpus text = TinyTraining.corpus("held-out text: ", 32 * 8 + 1 + 7);
    EvaluationReport report = Evaluator.evaluate(model, text, 32, 4);
    assertEquals(4 * 32, report.bytes());
    assertEquals(sum(text, List.of(0, 64, 128, 192), 32) / 128, report.loss(), 1e-5);
  }

  @Test
  void badArgumentsAreRefused() {
    Corpus text = TinyTraining.corpus("held-out text: ", 91);
    assertThrows(
        IllegalArgumentException.class, () -> Evaluator.evaluate(model, text.slice(0, 1), 32, 0));
    assertThrows(IllegalArgumentException.class, () -> Evaluator.evaluate(model, text, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> Evaluator.evaluate(model, text, 32, -1));
  }
}
