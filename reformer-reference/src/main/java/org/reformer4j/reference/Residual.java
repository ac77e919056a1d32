package org.reformer4j.reference;

import java.util.concurrent.atomic.AtomicBoolean;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** acc += sign * dropout(y + bias), its gradient, and the elementwise pieces of it. */
final class Residual {
  private static final int GRAIN = 16;

  private Residual() {}

  /** A residual step that is ready to be taken; gives false where FIXED saturated. */
  interface Step {
    boolean run(Workers workers);
  }

  /** Takes a step; returns false if a FIXED stream saturated. */
  static boolean run(
      Workers workers, Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout) {
    KernelArguments.F32.residual(acc, y, bias, sign);
    return step(acc, y, bias, sign, dropout).run(workers);
  }

  /** Returns a step with its tensors looked up, not taken yet. */
  static Step step(Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout) {
    FloatRows source = FloatRows.of(y);
    float[] shift = row(bias, acc.columns());
    if (acc.type() == DType.FIXED) {
      StreamRows target = StreamRows.of(acc);
      return workers -> addFixed(workers, target, source, shift, sign, dropout);
    }
    FloatRows target = FloatRows.of(acc);
    return workers -> {
      add(workers, target, source, shift, sign, dropout);
      return true;
    };
  }

  private static void add(
      Workers workers,
      FloatRows target,
      FloatRows source,
      float[] shift,
      int sign,
      Dropout dropout) {
    int columns = target.columns;
    workers.forRange(
        target.rows,
        GRAIN,
        (from, to) -> {
          float[] factors = new float[columns];
          for (int i = from; i < to; i++) {
            factors(factors, dropout, i, columns);
            int t = target.at(i);
            int s = source.at(i);
            for (int j = 0; j < columns; j++) {
              target.data[t + j] += sign * ((source.data[s + j] + shift[j]) * factors[j]);
            }
          }
        });
  }

  /** The same on a fixed-point stream; returns false if anything was saturated or NaN. */
  private static boolean addFixed(
      Workers workers,
      StreamRows target,
      FloatRows source,
      float[] shift,
      int sign,
      Dropout dropout) {
    int[] data = target.fixed;
    int columns = target.columns;
    AtomicBoolean inRange = new AtomicBoolean(true);
    workers.forRange(
        target.rows,
        GRAIN,
        (from, to) -> {
          float[] factors = new float[columns];
          boolean fits = true;
          for (int i = from; i < to; i++) {
            factors(factors, dropout, i, columns);
            int t = target.at(i);
            int s = source.at(i);
            for (int j = 0; j < columns; j++) {
              float addend = (source.data[s + j] + shift[j]) * factors[j];
              long sum = data[t + j] + (long) sign * FixedPoint.fromFloat(addend);
              data[t + j] = (int) Math.max(Integer.MIN_VALUE, Math.min(Integer.MAX_VALUE, sum));
              fits &= data[t + j] == sum && FixedPoint.inRange(addend);
            }
          }
          if (!fits) {
            inRange.set(false);
          }
        });
    return inRange.get();
  }

  static void backward(Workers workers, Tensor dY, Tensor dBias, Tensor dAcc, Dropout dropout) {
    KernelArguments.F32.residualBackward(dY, dBias, dAcc);
    gradient(workers, dY, dBias, dAcc, dropout);
  }

  static void gradient(Workers workers, Tensor dY, Tensor dBias, Tensor dAcc, Dropout dropout) {
    multiply(workers, dY, dAcc, dropout);
    if (dBias != null) {
      biasGradient(workers, dBias, dY);
    }
  }

  static void addBias(Workers workers, Tensor x, Tensor bias) {
    KernelArguments.addBias(x, bias);
    FloatRows target = FloatRows.of(x);
    float[] shift = row(bias, x.columns());
    workers.forRange(
        target.rows,
        GRAIN,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            int t = target.at(i);
            for (int j = 0; j < target.columns; j++) {
              target.data[t + j] += shift[j];
            }
          }
        });
  }

  static void biasGradient(Workers workers, Tensor dBias, Tensor dX) {
    KernelArguments.biasGradient(dBias, dX);
    FloatRows sum = FloatRows.of(dBias);
    FloatRows source = FloatRows.of(dX);
    workers.forRange(
        source.columns,
        GRAIN,
        (from, to) -> {
          for (int i = 0; i < source.rows; i++) {
            int s = source.at(i);
            for (int j = from; j < to; j++) {
              sum.data[sum.at(0) + j] += source.data[s + j];
            }
          }
        });
  }

  static void dropout(Workers workers, Tensor x, Dropout dropout) {
    KernelArguments.dropout(x);
    if (!dropout.isNone()) {
      multiply(workers, x, x, dropout);
    }
  }

  private static void multiply(Workers workers, Tensor out, Tensor x, Dropout dropout) {
    FloatRows target = FloatRows.of(out);
    FloatRows source = FloatRows.of(x);
    int columns = target.columns;
    workers.forRange(
        target.rows,
        GRAIN,
        (from, to) -> {
          float[] factors = new float[columns];
          for (int i = from; i < to; i++) {
            factors(factors, dropout, i, columns);
            int t = target.at(i);
            int s = source.at(i);
            for (int j = 0; j < columns; j++) {
              target.data[t + j] = source.data[s + j] * factors[j];
            }
          }
        });
  }

  /** Factors of row i; all ones where nothing is dropped. */
  static void factors(float[] factors, Dropout dropout, long i, int columns) {
    if (dropout.isNone()) {
      java.util.Arrays.fill(factors, 0, columns, 1f);
    } else {
      dropout.factors(factors, 0, columns, (dropout.firstRow() + i) * columns);
    }
  }

  private static float[] row(Tensor bias, long columns) {
    float[] values = new float[(int) columns];
    if (bias != null) {
      FloatRows source = FloatRows.of(bias);
      System.arraycopy(source.data, source.at(0), values, 0, values.length);
    }
    return values;
  }
}
