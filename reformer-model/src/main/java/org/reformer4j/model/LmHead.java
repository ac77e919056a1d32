package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Logits over the vocabulary from both streams (Hugging Face's ReformerOnlyLMHead), for causal and
 * masked language models alike. The loss is computed in chunks of rows: logits of the whole batch
 * exist only where they are asked for.
 */
final class LmHead implements Head {
  private final RowHead rows;

  LmHead(ReformerConfig config, FinalNorm norm, ParameterSet parameters) {
    Parameter weight =
        parameters.declareFactor(
            "lm_head.decoder.weight",
            Initializer.normal(config.initializerRange()),
            config.vocabSize(),
            2L * config.hiddenSize());
    Parameter bias = parameters.declare("lm_head.bias", Initializer.ZEROS, config.vocabSize());
    rows = new RowHead(config, norm, weight, bias, 0);
  }

  /**
   * Writes the logits of some rows.
   *
   * @param logits [n, V]
   * @param streams [n, 2D], rows of the streams
   */
  void logits(Tensor logits, Tensor streams, Pass pass) {
    rows.logits(logits, streams, pass);
  }

  @Override
  public String name() {
    return "lm_head";
  }

  @Override
  public long targetCount(Batch batch) {
    if (batch.labelsOrNull() != null) {
      throw Head.wrongLabels(batch, "targets of tokens (Batch.withTargets)");
    }
    return batch.targetCount();
  }

  @Override
  public List<ModelOutput> outputs(Tensor streams, Batch batch, Pass pass) {
    try (TensorScope scope = pass.backend().scope("logits")) {
      Tensor logits = scope.allocate(DType.F32, streams.rows(), rows.columns());
      rows.logits(logits, streams, pass);
      return List.of(
          ModelOutput.of(
              "logits",
              pass.backend().download(logits),
              batch.size(),
              batch.length(),
              rows.columns()));
    }
  }

  @Override
  public double loss(Tensor streams, Batch batch, Pass pass) {
    return lossSum(streams, targets(batch, pass), pass) / batch.targetCount();
  }

  @Override
  public double lossAndGradient(
      Tensor dStreams, Tensor streams, Batch batch, float weight, Pass pass) {
    int count = batch.targetCount();
    Tensor targets = targets(batch, pass);
    return lossSumAndGradient(dStreams, streams, targets, weight / count, pass) / count;
  }

  private static Tensor targets(Batch batch, Pass pass) {
    return Passes.upload(pass.backend(), pass.scope(), batch.targetsOrNull(), batch);
  }

  /**
   * Returns the summed loss of all targets, without gradients.
   *
   * @param streams [N, 2D], both streams side by side
   * @param targets I32 [N]
   * @param pass the pass
   */
  double lossSum(Tensor streams, Tensor targets, Pass pass) {
    return rows.crossEntropy(null, streams, targets, 0f, pass);
  }

  /**
   * Returns the summed loss, overwrites dStreams with scale times its gradient, and adds scale
   * times the parameters'.
   *
   * @param dStreams [N, 2D]
   * @param streams [N, 2D]
   * @param targets I32 [N]
   * @param scale factor on the gradients, usually 1 / number of targets
   * @param pass the pass
   */
  double lossSumAndGradient(
      Tensor dStreams, Tensor streams, Tensor targets, float scale, Pass pass) {
    return rows.crossEntropy(dStreams, streams, targets, scale, pass);
  }
}
