package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.SequenceLabels.Spans;

/**
 * First and last token of an answer (Hugging Face's ReformerForQuestionAnswering): two logits per
 * token, each softmax over the tokens of the sequence, which the rows behind it are not part of.
 * Tokens that an attention mask hides are part of it, as there.
 *
 * <p>The loss is half the mean over the starts that count plus half that over the ends. Where no
 * start or no end of a batch counts, its half is 0; Hugging Face's is not a number. It computes in
 * floats in every precision.
 */
final class QuestionAnsweringHead implements Head {
  private final RowHead rows;

  QuestionAnsweringHead(ReformerConfig config, FinalNorm norm, ParameterSet parameters) {
    Parameter weight =
        parameters.declare(
            "qa_outputs.weight",
            Initializer.normal(config.initializerRange()),
            2,
            2L * config.hiddenSize());
    Parameter bias = parameters.declare("qa_outputs.bias", Initializer.ZEROS, 2);
    rows = new RowHead(config, norm, weight, bias, 0);
  }

  @Override
  public String name() {
    return "qa_outputs";
  }

  @Override
  public long targetCount(Batch batch) {
    SequenceLabels labels = batch.labelsOrNull();
    if (labels == null && batch.targetsOrNull() == null) {
      return 0;
    }
    if (!(labels instanceof Spans spans)) {
      throw Head.wrongLabels(batch, "start and end positions (SequenceLabels.spans)");
    }
    int[] lengths = batch.lengths();
    return Spans.count(spans.starts(), lengths) + Spans.count(spans.ends(), lengths);
  }

  @Override
  public List<ModelOutput> outputs(Tensor streams, Batch batch, Pass pass) {
    float[] logits = logits(streams, pass);
    return List.of(
        ModelOutput.of("start_logits", column(logits, 0), batch.size(), batch.length()),
        ModelOutput.of("end_logits", column(logits, 1), batch.size(), batch.length()));
  }

  @Override
  public double loss(Tensor streams, Batch batch, Pass pass) {
    return loss(null, logits(streams, pass), batch, 0);
  }

  @Override
  public double lossAndGradient(
      Tensor dStreams, Tensor streams, Batch batch, float weight, Pass pass) {
    float[] logits = logits(streams, pass);
    float[] dLogits = new float[logits.length];
    double loss = loss(dLogits, logits, batch, weight);
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("logits")) {
      Tensor gradient = scope.allocate(DType.F32, streams.rows(), 2);
      backend.upload(gradient, dLogits);
      rows.backward(dStreams, gradient, streams, pass);
    }
    return loss;
  }

  private float[] logits(Tensor streams, Pass pass) {
    try (TensorScope scope = pass.backend().scope("logits")) {
      Tensor logits = scope.allocate(DType.F32, streams.rows(), 2);
      rows.logits(logits, streams, pass);
      return pass.backend().download(logits);
    }
  }

  private static float[] column(float[] logits, int column) {
    float[] values = new float[logits.length / 2];
    for (int i = 0; i < values.length; i++) {
      values[i] = logits[2 * i + column];
    }
    return values;
  }

  /** Returns the loss and, where dLogits is not null, writes weight times its gradient. */
  private static double loss(float[] dLogits, float[] logits, Batch batch, double weight) {
    Spans spans = (Spans) batch.labelsOrNull();
    return half(dLogits, logits, 0, spans.starts(), batch, weight)
        + half(dLogits, logits, 1, spans.ends(), batch, weight);
  }

  private static double half(
      float[] dLogits, float[] logits, int column, int[] positions, Batch batch, double weight) {
    int[] lengths = batch.lengths();
    long count = Spans.count(positions, lengths);
    double sum = 0;
    for (int b = 0; b < lengths.length; b++) {
      int position = Spans.clamp(positions[b], lengths[b]);
      if (position == lengths[b]) {
        continue;
      }
      int from = 2 * b * batch.length() + column;
      double largest = Double.NEGATIVE_INFINITY;
      for (int t = 0; t < lengths[b]; t++) {
        largest = Math.max(largest, logits[from + 2 * t]);
      }
      double total = 0;
      for (int t = 0; t < lengths[b]; t++) {
        total += StrictMath.exp(logits[from + 2 * t] - largest);
      }
      sum += largest + StrictMath.log(total) - logits[from + 2 * position];
      for (int t = 0; dLogits != null && t < lengths[b]; t++) {
        double probability = StrictMath.exp(logits[from + 2 * t] - largest) / total;
        double gradient = probability - (t == position ? 1 : 0);
        dLogits[from + 2 * t] = (float) (weight * gradient / (2 * count));
      }
    }
    return count == 0 ? 0 : sum / (2 * count);
  }
}
