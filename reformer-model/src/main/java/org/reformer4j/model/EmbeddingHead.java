package org.reformer4j.model;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.SequenceLabels.Classes;

/**
 * A vector for each sequence, without parameters. Its loss is the contrastive one over the batch:
 * of all other sequences, each should find those of its own group (NT-Xent of Chen et al. 2020
 * where groups are pairs, the supervised contrastive loss of Khosla et al. 2020 otherwise).
 * Sequences without a group, or alone in it, are only what the others should not find.
 */
final class EmbeddingHead implements Head {
  /** As torch.nn.functional.normalize: shorter vectors are divided by this. */
  private static final double SMALLEST_LENGTH = 1e-12;

  private final EmbeddingOptions options;
  private final PooledRows pooled;

  EmbeddingHead(ReformerConfig config, FinalNorm norm, EmbeddingOptions options) {
    this.options = options;
    this.pooled = new PooledRows(config, norm, options.pooling());
  }

  @Override
  public String name() {
    return "embeddings";
  }

  @Override
  public long targetCount(Batch batch) {
    SequenceLabels labels = batch.labelsOrNull();
    if (labels == null && batch.targetsOrNull() == null) {
      return 0;
    }
    if (!(labels instanceof Classes groups)) {
      throw Head.wrongLabels(batch, "a group for each sequence (SequenceLabels.classes)");
    }
    int[] others = others(groups.ids());
    return Arrays.stream(others).filter(count -> count > 0).count();
  }

  @Override
  public List<ModelOutput> outputs(Tensor streams, Batch batch, Pass pass) {
    float[] values = vectors(streams, batch, pass);
    if (options.normalize()) {
      int columns = values.length / batch.size();
      for (int b = 0; b < batch.size(); b++) {
        double length = length(values, b * columns, columns);
        for (int i = b * columns; i < (b + 1) * columns; i++) {
          values[i] = (float) (values[i] / length);
        }
      }
    }
    return List.of(ModelOutput.of("embeddings", values, batch.size(), streams.columns()));
  }

  @Override
  public double loss(Tensor streams, Batch batch, Pass pass) {
    return loss(null, vectors(streams, batch, pass), batch, 0);
  }

  @Override
  public double lossAndGradient(
      Tensor dStreams, Tensor streams, Batch batch, float weight, Pass pass) {
    float[] vectors = vectors(streams, batch, pass);
    float[] gradient = new float[vectors.length];
    double loss = loss(gradient, vectors, batch, weight);
    Backend backend = pass.backend();
    try (TensorScope scope = backend.scope("embeddings")) {
      Tensor dPooled = scope.allocate(DType.F32, batch.size(), streams.columns());
      backend.upload(dPooled, gradient);
      pooled.backward(dStreams, dPooled, streams, batch, pass);
    }
    return loss;
  }

  private float[] vectors(Tensor streams, Batch batch, Pass pass) {
    pooled.check(batch);
    try (TensorScope scope = pass.backend().scope("embeddings")) {
      return pass.backend().download(pooled.forward(streams, batch, scope, pass));
    }
  }

  private static double length(float[] values, int from, int columns) {
    double sum = 0;
    for (int i = from; i < from + columns; i++) {
      sum += (double) values[i] * values[i];
    }
    return Math.max(Math.sqrt(sum), SMALLEST_LENGTH);
  }

  /** Returns for each sequence how many others are of its group. */
  private static int[] others(int[] groups) {
    Map<Integer, Integer> sizes = new HashMap<>();
    for (int group : groups) {
      sizes.merge(group, 1, Integer::sum);
    }
    return Arrays.stream(groups)
        .map(group -> group == Batch.IGNORE ? 0 : sizes.get(group) - 1)
        .toArray();
  }

  /** Returns the loss and, where gradient is not null, writes weight times its gradient. */
  private double loss(float[] gradient, float[] vectors, Batch batch, double weight) {
    int[] groups = ((Classes) batch.labelsOrNull()).ids();
    int n = groups.length;
    int columns = vectors.length / n;
    double[] lengths = new double[n];
    double[][] unit = new double[n][columns];
    for (int b = 0; b < n; b++) {
      lengths[b] = options.normalize() ? length(vectors, b * columns, columns) : 1;
      for (int i = 0; i < columns; i++) {
        unit[b][i] = vectors[b * columns + i] / lengths[b];
      }
    }
    int[] others = others(groups);
    long anchors = Arrays.stream(others).filter(count -> count > 0).count();
    double[][] dUnit = new double[n][columns];
    double sum = 0;
    for (int a = 0; a < n; a++) {
      if (others[a] > 0) {
        sum += anchor(a, unit, groups, others[a], dUnit) / anchors;
      }
    }
    for (int b = 0; gradient != null && b < n; b++) {
      // Along a vector of length 1 nothing changes: only what stands across it goes on.
      double along = options.normalize() ? dot(dUnit[b], unit[b]) : 0;
      for (int i = 0; i < columns; i++) {
        double across = (dUnit[b][i] - along * unit[b][i]) / lengths[b];
        gradient[b * columns + i] = (float) (weight * across / anchors);
      }
    }
    return sum;
  }

  /** Returns the loss of one sequence and adds its gradient. */
  private double anchor(int a, double[][] unit, int[] groups, int others, double[][] dUnit) {
    int n = unit.length;
    double[] scores = new double[n];
    double largest = Double.NEGATIVE_INFINITY;
    for (int b = 0; b < n; b++) {
      scores[b] = dot(unit[a], unit[b]) / options.temperature();
      largest = b == a ? largest : Math.max(largest, scores[b]);
    }
    double total = 0;
    for (int b = 0; b < n; b++) {
      total += b == a ? 0 : StrictMath.exp(scores[b] - largest);
    }
    double logTotal = largest + StrictMath.log(total);
    double loss = 0;
    for (int b = 0; b < n; b++) {
      if (b == a) {
        continue;
      }
      double share = groups[b] == groups[a] ? 1.0 / others : 0;
      loss += share * (logTotal - scores[b]);
      double slope = (StrictMath.exp(scores[b] - logTotal) - share) / options.temperature();
      for (int i = 0; i < unit[a].length; i++) {
        dUnit[a][i] += slope * unit[b][i];
        dUnit[b][i] += slope * unit[a][i];
      }
    }
    return loss;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
