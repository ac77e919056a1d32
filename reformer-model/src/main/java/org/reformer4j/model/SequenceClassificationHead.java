package org.reformer4j.model;

import java.util.Arrays;
import java.util.List;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.SequenceLabels.Classes;
import org.reformer4j.model.SequenceLabels.Values;

/**
 * Logits of a sequence (Hugging Face's ReformerClassificationHead): a pooled final hidden state,
 * dropout, a layer with tanh, dropout, a linear layer. {@link Pooling} is the first token's, as
 * there, unless the config says otherwise. It computes in floats in every precision.
 */
final class SequenceClassificationHead implements Head {
  private final ReformerConfig config;
  private final PooledRows pooled;
  private final Parameter denseWeight;
  private final Parameter denseBias;
  private final Parameter outWeight;
  private final Parameter outBias;

  SequenceClassificationHead(ReformerConfig config, FinalNorm norm, ParameterSet parameters) {
    this.config = config;
    this.pooled = new PooledRows(config, norm, Pooling.of(config, Pooling.FIRST));
    Initializer normal = Initializer.normal(config.initializerRange());
    long d = config.hiddenSize();
    denseWeight = parameters.declare("classifier.dense.weight", normal, d, 2 * d);
    denseBias = parameters.declare("classifier.dense.bias", Initializer.ZEROS, d);
    outWeight = parameters.declare("classifier.out_proj.weight", normal, config.numLabels(), d);
    outBias = parameters.declare("classifier.out_proj.bias", Initializer.ZEROS, config.numLabels());
  }

  /**
   * A forward pass.
   *
   * @param input [B, 2D], pooled, after dropout
   * @param tanh [B, D], before dropout, on the host
   * @param hidden [B, D], after dropout
   * @param logits [B, L], on the host
   */
  private record State(Tensor input, float[] tanh, Tensor hidden, float[] logits) {}

  @Override
  public String name() {
    return "classifier";
  }

  /** Returns the kind of loss; where the config does not say, as Hugging Face tells it. */
  private ProblemType problem(SequenceLabels labels) {
    return config
        .problemType()
        .orElse(
            config.numLabels() == 1
                ? ProblemType.REGRESSION
                : labels instanceof Classes
                    ? ProblemType.SINGLE_LABEL_CLASSIFICATION
                    : ProblemType.MULTI_LABEL_CLASSIFICATION);
  }

  @Override
  public long targetCount(Batch batch) {
    SequenceLabels labels = batch.labelsOrNull();
    if (labels == null && batch.targetsOrNull() == null) {
      return 0;
    }
    int classes = config.numLabels();
    if (problem(labels) == ProblemType.SINGLE_LABEL_CLASSIFICATION) {
      if (!(labels instanceof Classes of)) {
        throw Head.wrongLabels(batch, "a class for each sequence (SequenceLabels.classes)");
      }
      for (int label : of.ids()) {
        if (label != Batch.IGNORE && (label < 0 || label >= classes)) {
          throw new IllegalArgumentException(
              "the label "
                  + label
                  + " is no class of 0.."
                  + (classes - 1)
                  + ": correct it, or set num_labels in the config");
        }
      }
      return Arrays.stream(of.ids()).filter(label -> label != Batch.IGNORE).count();
    }
    if (!(labels instanceof Values of) || of.columns() != classes) {
      throw Head.wrongLabels(
          batch,
          classes + " numbers for each sequence (SequenceLabels.values), one for each label");
    }
    return of.values().length;
  }

  @Override
  public List<ModelOutput> outputs(Tensor streams, Batch batch, Pass pass) {
    pooled.check(batch);
    try (TensorScope scope = pass.backend().scope("classifier")) {
      float[] logits = forward(streams, batch, scope, pass).logits;
      return List.of(ModelOutput.of("logits", logits, batch.size(), config.numLabels()));
    }
  }

  @Override
  public double loss(Tensor streams, Batch batch, Pass pass) {
    try (TensorScope scope = pass.backend().scope("classifier")) {
      return loss(null, forward(streams, batch, scope, pass).logits, batch, 0);
    }
  }

  @Override
  public double lossAndGradient(
      Tensor dStreams, Tensor streams, Batch batch, float weight, Pass pass) {
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("classifier")) {
      State state = forward(streams, batch, scope, pass);
      float[] gradient = new float[state.logits.length];
      double loss = loss(gradient, state.logits, batch, weight);
      Tensor dLogits = scope.allocate(DType.F32, batch.size(), config.numLabels());
      backend.upload(dLogits, gradient);
      backend.biasGradient(outBias.gradient(), dLogits);
      Tensor dHidden = scope.allocate(DType.F32, batch.size(), config.hiddenSize());
      Projection.backward(backend, dHidden, 0f, dLogits, state.hidden, outWeight);
      backend.dropout(dHidden, dropout(RandomPurpose.HEAD_HIDDEN, pass));
      float[] slopes = backend.download(dHidden);
      for (int i = 0; i < slopes.length; i++) {
        slopes[i] *= 1 - state.tanh[i] * state.tanh[i];
      }
      backend.upload(dHidden, slopes);
      backend.biasGradient(denseBias.gradient(), dHidden);
      Tensor dInput = scope.allocate(DType.F32, batch.size(), streams.columns());
      Projection.backward(backend, dInput, 0f, dHidden, state.input, denseWeight);
      backend.dropout(dInput, dropout(RandomPurpose.HEAD_INPUT, pass));
      pooled.backward(dStreams, dInput, streams, batch, pass);
      return loss;
    }
  }

  private State forward(Tensor streams, Batch batch, TensorScope scope, Pass pass) {
    Backend backend = pass.backend();
    Tensor input = pooled.forward(streams, batch, scope, pass);
    backend.dropout(input, dropout(RandomPurpose.HEAD_INPUT, pass));
    Tensor hidden = Projection.forward(backend, scope, input, denseWeight);
    backend.addBias(hidden, denseBias.value());
    float[] tanh = backend.download(hidden);
    for (int i = 0; i < tanh.length; i++) {
      tanh[i] = (float) StrictMath.tanh(tanh[i]);
    }
    backend.upload(hidden, tanh);
    backend.dropout(hidden, dropout(RandomPurpose.HEAD_HIDDEN, pass));
    Tensor logits = Projection.forward(backend, scope, hidden, outWeight);
    backend.addBias(logits, outBias.value());
    return new State(input, tanh, hidden, backend.download(logits));
  }

  private Dropout dropout(RandomPurpose purpose, Pass pass) {
    double probability = config.classifierDropout().orElse(config.hiddenDropoutProb());
    return pass.dropout(probability, 0, purpose);
  }

  private double loss(float[] dLogits, float[] logits, Batch batch, double weight) {
    SequenceLabels labels = batch.labelsOrNull();
    return switch (problem(labels)) {
      case REGRESSION ->
          SequenceLoss.squaredError(dLogits, logits, ((Values) labels).values(), weight);
      case SINGLE_LABEL_CLASSIFICATION ->
          SequenceLoss.crossEntropy(dLogits, logits, ((Classes) labels).ids(), weight);
      case MULTI_LABEL_CLASSIFICATION ->
          SequenceLoss.binaryCrossEntropy(dLogits, logits, ((Values) labels).values(), weight);
    };
  }
}
