package org.reformer4j.reference;

import org.reformer4j.api.Arguments;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;

/** out = (x - mean) / sqrt(variance + epsilon) * gain + bias, statistics in double. */
final class LayerNorm {
  private LayerNorm() {}

  static void forward(
      Workers workers, Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon) {
    check("layerNorm", x, gain);
    Arguments.matrix("layerNorm", "out", out, DType.F32, "[N, D]", x.rows(), x.columns());
    Arguments.flat("layerNorm", "bias", bias, DType.F32, "[D]", x.columns());
    FloatRows target = FloatRows.of(out);
    FloatRows source = FloatRows.of(x);
    FloatRows scale = FloatRows.of(gain);
    FloatRows shift = FloatRows.of(bias);
    workers.forRange(
        source.rows,
        16,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            double mean = mean(source, i);
            double inverse = inverseDeviation(source, i, mean, epsilon);
            int s = source.at(i);
            int t = target.at(i);
            for (int j = 0; j < source.columns; j++) {
              double normal = (source.data[s + j] - mean) * inverse;
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
    String op = "layerNormBackward";
    check(op, x, gain);
    Arguments.matrix(op, "dX", dX, DType.F32, "[N, D]", x.rows(), x.columns());
    Arguments.matrix(op, "dOut", dOut, DType.F32, "[N, D]", x.rows(), x.columns());
    Arguments.flat(op, "dGain", dGain, DType.F32, "[D]", x.columns());
    Arguments.flat(op, "dBias", dBias, DType.F32, "[D]", x.columns());
    FloatRows source = FloatRows.of(x);
    FloatRows gradient = FloatRows.of(dOut);
    FloatRows target = FloatRows.of(dX);
    FloatRows scale = FloatRows.of(gain);
    double[] means = new double[source.rows];
    double[] inverses = new double[source.rows];
    workers.forRange(
        source.rows,
        16,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            means[i] = mean(source, i);
            inverses[i] = inverseDeviation(source, i, means[i], epsilon);
            row(target, gradient, source, scale, i, means[i], inverses[i]);
          }
        });
    FloatRows gainSum = FloatRows.of(dGain);
    FloatRows biasSum = FloatRows.of(dBias);
    // Parallel over columns: each sum runs over the rows in order, whatever the threads.
    workers.forRange(
        source.columns,
        16,
        (from, to) -> {
          for (int i = 0; i < source.rows; i++) {
            int s = source.at(i);
            int g = gradient.at(i);
            for (int j = from; j < to; j++) {
              float normal = (float) ((source.data[s + j] - means[i]) * inverses[i]);
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
      FloatRows x,
      FloatRows gain,
      int i,
      double mean,
      double inverse) {
    int s = x.at(i);
    int g = dOut.at(i);
    int t = dX.at(i);
    int scale = gain.at(0);
    double sum = 0;
    double projection = 0;
    for (int j = 0; j < x.columns; j++) {
      double scaled = (double) dOut.data[g + j] * gain.data[scale + j];
      sum += scaled;
      projection += scaled * ((x.data[s + j] - mean) * inverse);
    }
    sum /= x.columns;
    projection /= x.columns;
    for (int j = 0; j < x.columns; j++) {
      double scaled = (double) dOut.data[g + j] * gain.data[scale + j];
      double normal = (x.data[s + j] - mean) * inverse;
      dX.data[t + j] += (float) ((scaled - sum - normal * projection) * inverse);
    }
  }

  private static double mean(FloatRows x, int i) {
    int s = x.at(i);
    double sum = 0;
    for (int j = 0; j < x.columns; j++) {
      sum += x.data[s + j];
    }
    return sum / x.columns;
  }

  private static double inverseDeviation(FloatRows x, int i, double mean, float epsilon) {
    int s = x.at(i);
    double sum = 0;
    for (int j = 0; j < x.columns; j++) {
      double difference = x.data[s + j] - mean;
      sum += difference * difference;
    }
    return 1 / Math.sqrt(sum / x.columns + epsilon);
  }

  private static void check(String op, Tensor x, Tensor gain) {
    Arguments.typed(op, "x", x, DType.F32, "[N, D]");
    Arguments.flat(op, "gain", gain, DType.F32, "[D]", x.columns());
  }
}
