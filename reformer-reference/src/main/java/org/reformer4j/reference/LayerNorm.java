package org.reformer4j.reference;

import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** out = (x - mean) / sqrt(variance + epsilon) * gain + bias, statistics in double. */
final class LayerNorm {
  private LayerNorm() {}

  /** A norm that is ready to be computed. */
  interface Forward {
    void run(Workers workers);
  }

  static void forward(
      Workers workers, Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon) {
    KernelArguments.F32.layerNorm(out, x, gain, bias);
    forward(out, x, gain, bias, epsilon).run(workers);
  }

  /** Returns a norm with its tensors looked up, not computed yet. */
  static Forward forward(Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon) {
    FloatRows target = FloatRows.of(out);
    StreamRows source = StreamRows.of(x);
    FloatRows scale = FloatRows.of(gain);
    FloatRows shift = FloatRows.of(bias);
    return workers ->
        workers.forRange(
            source.rows,
            16,
            (from, to) -> {
              double[] row = new double[source.columns];
              for (int i = from; i < to; i++) {
                source.read(row, i, 0, row.length);
                double mean = mean(row);
                double inverse = inverseDeviation(row, mean, epsilon);
                int t = target.at(i);
                for (int j = 0; j < row.length; j++) {
                  double normal = (row[j] - mean) * inverse;
                  target.data[t + j] =
                      (float) (normal * scale.data[scale.at(0) + j] + shift.data[shift.at(0) + j]);
                }
              }
            });
  }

  static void backward(
      Workers workers,
      Tensor dX,
      Tensor dGain,
      Tensor dBias,
      Tensor dOut,
      Tensor x,
      Tensor gain,
      float epsilon) {
    KernelArguments.F32.layerNormBackward(dX, dGain, dBias, dOut, x, gain);
    StreamRows source = StreamRows.of(x);
    FloatRows gradient = FloatRows.of(dOut);
    FloatRows target = FloatRows.of(dX);
    FloatRows scale = FloatRows.of(gain);
    double[] means = new double[source.rows];
    double[] inverses = new double[source.rows];
    workers.forRange(
        source.rows,
        16,
        (from, to) -> {
          double[] row = new double[source.columns];
          for (int i = from; i < to; i++) {
            source.read(row, i, 0, row.length);
            means[i] = mean(row);
            inverses[i] = inverseDeviation(row, means[i], epsilon);
            row(target, gradient, row, scale, i, means[i], inverses[i]);
          }
        });
    FloatRows gainSum = FloatRows.of(dGain);
    FloatRows biasSum = FloatRows.of(dBias);
    // Parallel over columns: each sum runs over the rows in order, whatever the threads.
    workers.forRange(
        source.columns,
        16,
        (from, to) -> {
          double[] row = new double[source.columns];
          for (int i = 0; i < source.rows; i++) {
            source.read(row, i, from, to);
            int g = gradient.at(i);
            for (int j = from; j < to; j++) {
              float normal = (float) ((row[j] - means[i]) * inverses[i]);
              int atGain = gainSum.at(0) + j;
              gainSum.data[atGain] = Math.fma(gradient.data[g + j], normal, gainSum.data[atGain]);
              biasSum.data[biasSum.at(0) + j] += gradient.data[g + j];
            }
          }
        });
  }

  /** dx += (g - mean(g) - n * mean(g * n)) / deviation, with g = dOut * gain and n = normal x. */
  private static void row(
      FloatRows dX,
      FloatRows dOut,
      double[] x,
      FloatRows gain,
      int i,
      double mean,
      double inverse) {
    int g = dOut.at(i);
    int t = dX.at(i);
    int scale = gain.at(0);
    double sum = 0;
    double projection = 0;
    for (int j = 0; j < x.length; j++) {
      double scaled = (double) dOut.data[g + j] * gain.data[scale + j];
      sum += scaled;
      projection += scaled * ((x[j] - mean) * inverse);
    }
    sum /= x.length;
    projection /= x.length;
    for (int j = 0; j < x.length; j++) {
      double scaled = (double) dOut.data[g + j] * gain.data[scale + j];
      double normal = (x[j] - mean) * inverse;
      dX.data[t + j] += (float) ((scaled - sum - normal * projection) * inverse);
    }
  }

  private static double mean(double[] x) {
    double sum = 0;
    for (double value : x) {
      sum += value;
    }
    return sum / x.length;
  }

  private static double inverseDeviation(double[] x, double mean, float epsilon) {
    double sum = 0;
    for (double value : x) {
      double difference = value - mean;
      sum += difference * difference;
    }
    return 1 / Math.sqrt(sum / x.length + epsilon);
  }
}
