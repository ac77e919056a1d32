package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * A class for each token: dropout, then a linear layer on the final hidden states, with the mean
 * cross-entropy over the labelled tokens. Formula and names are those of Hugging Face's
 * XxxForTokenClassification; it computes in floats in every precision.
 */
final class TokenClassificationHead implements Head {
  private final int labels;
  private final RowHead rows;

  TokenClassificationHead(ReformerConfig config, FinalNorm norm, ParameterSet parameters) {
    labels = config.numLabels();
    Parameter weight =
        parameters.declare(
            "classifier.weight",
            Initializer.normal(config.initializerRange()),
            labels,
            2L * config.hiddenSize());
    Parameter bias = parameters.declare("classifier.bias", Initializer.ZEROS, labels);
    double dropout = config.classifierDropout().orElse(config.hiddenDropoutProb());
    rows = new RowHead(config, norm, weight, bias, dropout);
  }

  @Override
  public String name() {
    return "classifier";
  }

  @Override
  public long targetCount(Batch batch) {
    if (batch.labelsOrNull() != null) {
      throw Head.wrongLabels(batch, "a class for each token (Batch.withTargets)");
    }
    int[] targets = batch.targetsOrNull();
    for (int i = 0; targets != null && i < targets.length; i++) {
      if (targets[i] != Batch.IGNORE && (targets[i] < 0 || targets[i] >= labels)) {
        throw new IllegalArgumentException(
            "the target "
                + targets[i]
                + " at ["
                + i / batch.length()
                + ", "
                + i % batch.length()
                + "] is no class of 0.."
                + (labels - 1)
                + ": correct it, or set num_labels in the config");
      }
    }
    return batch.targetCount();
  }

  @Override
  public List<ModelOutput> outputs(Tensor streams, Batch batch, Pass pass) {
    try (TensorScope scope = pass.backend().scope("logits")) {
      Tensor logits = scope.allocate(DType.F32, streams.rows(), labels);
      rows.logits(logits, streams, pass);
      float[] values = pass.backend().download(logits);
      return List.of(ModelOutput.of("logits", values, batch.size(), batch.length(), labels));
    }
  }

  @Override
  public double loss(Tensor streams, Batch batch, Pass pass) {
    return rows.crossEntropy(null, streams, targets(batch, pass), 0f, pass) / batch.targetCount();
  }

  @Override
  public double lossAndGradient(
      Tensor dStreams, Tensor streams, Batch batch, float weight, Pass pass) {
    int count = batch.targetCount();
    Tensor targets = targets(batch, pass);
    return rows.crossEntropy(dStreams, streams, targets, weight / count, pass) / count;
  }

  private static Tensor targets(Batch batch, Pass pass) {
    return Passes.upload(pass.backend(), pass.scope(), batch.targetsOrNull(), batch);
  }
}
