package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** The optimizers against their papers' formulas, in double, over several updates. */
class OptimizerKernelsTest {
  private static final int ROWS = 5;
  private static final int COLUMNS = 7;
  private static final int N = ROWS * COLUMNS;
  private static final int STEPS = 6;
  private static final double TOLERANCE = 2e-6;

  private final Random random = new Random(11);
  private Backend backend;
  private TensorScope scope;
  private double[] w;
  private Tensor parameter;
  private Tensor gradient;

  static List<String> backends(String op) {
    return TestBackends.names();
  }

  static List<String> adamW() {
    return backends("adamW");
  }

  static List<String> adafactor() {
    return backends("adafactor");
  }

  private void create(String name) {
    backend = TestBackends.open(name, 2);
    scope = backend.scope("test");
    parameter = scope.allocate(DType.F32, ROWS, COLUMNS);
    gradient = scope.allocate(DType.F32, ROWS, COLUMNS);
    w = draw(parameter, 0.5);
  }

  @AfterEach
  void close() {
    if (backend != null) {
      scope.close();
      backend.close();
    }
  }

  private double[] draw(Tensor tensor, double size) {
    float[] values = new float[N];
    double[] doubles = new double[N];
    for (int i = 0; i < N; i++) {
      values[i] = (float) (size * random.nextGaussian());
      doubles[i] = values[i];
    }
    backend.upload(tensor, values);
    return doubles;
  }

  private Tensor zeros(long elements) {
    Tensor tensor = scope.allocate(DType.F32, elements);
    backend.fill(tensor, 0f);
    return tensor;
  }

  private void compare(int step, Tensor actual, double... expected) {
    float[] values = backend.download(actual);
    assertEquals(expected.length, values.length);
    for (int i = 0; i < expected.length; i++) {
      double scale = Math.max(1e-3, Math.abs(expected[i]));
      assertEquals(expected[i], values[i], TOLERANCE * scale * step, "step " + step + " at " + i);
    }
  }

  @ParameterizedTest
  @MethodSource("adamW")
  void adamW(String name) {
    create(name);
    Tensor first = zeros(N);
    Tensor second = zeros(N);
    double[] m = new double[N];
    double[] v = new double[N];
    float rate = 0.01f;
    float beta1 = 0.9f;
    float beta2 = 0.98f;
    float epsilon = 1e-8f;
    float decay = 0.1f;
    float scale = 0.25f;
    for (int t = 1; t <= STEPS; t++) {
      double[] g = draw(gradient, 2);
      AdamWSpec spec = new AdamWSpec(rate, beta1, beta2, epsilon, decay, t, scale);
      backend.adamW(parameter, gradient, first, second, spec);
      for (int i = 0; i < N; i++) {
        double x = g[i] * scale;
        m[i] = beta1 * m[i] + (1 - (double) beta1) * x;
        v[i] = beta2 * v[i] + (1 - (double) beta2) * x * x;
        double mean = m[i] / (1 - Math.pow(beta1, t));
        double root = Math.sqrt(v[i] / (1 - Math.pow(beta2, t)));
        w[i] -= rate * decay * w[i];
        w[i] -= rate * mean / (root + epsilon);
      }
      compare(t, parameter, w);
      compare(t, first, m);
      compare(t, second, v);
    }
  }

  @ParameterizedTest
  @MethodSource("adafactor")
  void adafactorOfAMatrix(String name) {
    create(name);
    Tensor rows = zeros(ROWS);
    Tensor columns = zeros(COLUMNS);
    double[] r = new double[ROWS];
    double[] c = new double[COLUMNS];
    for (int t = 1; t <= STEPS; t++) {
      double[] g = draw(gradient, t % 2 == 0 ? 3 : 0.5);
      AdafactorSpec spec = spec(t);
      backend.adafactor(parameter, gradient, rows, columns, spec);
      double[] squares = squares(g, spec);
      double[] rowSums = new double[ROWS];
      double[] columnSums = new double[COLUMNS];
      for (int i = 0; i < N; i++) {
        rowSums[i / COLUMNS] += squares[i];
        columnSums[i % COLUMNS] += squares[i];
      }
      double total = 0;
      for (int i = 0; i < ROWS; i++) {
        r[i] = spec.decay() * r[i] + (1 - (double) spec.decay()) * rowSums[i] / COLUMNS;
        total += r[i];
      }
      for (int j = 0; j < COLUMNS; j++) {
        c[j] = spec.decay() * c[j] + (1 - (double) spec.decay()) * columnSums[j] / ROWS;
      }
      double[] v = new double[N];
      for (int i = 0; i < N; i++) {
        v[i] = r[i / COLUMNS] * c[i % COLUMNS] / (total / ROWS);
      }
      update(g, v, spec);
      compare(t, parameter, w);
      compare(t, rows, r);
      compare(t, columns, c);
    }
  }

  @ParameterizedTest
  @MethodSource("adafactor")
  void adafactorOfAVector(String name) {
    create(name);
    Tensor moments = zeros(N);
    double[] v = new double[N];
    for (int t = 1; t <= STEPS; t++) {
      double[] g = draw(gradient, t % 2 == 0 ? 3 : 0.5);
      AdafactorSpec spec = spec(t);
      backend.adafactor(parameter.reshape(N), gradient.reshape(N), moments, null, spec);
      double[] squares = squares(g, spec);
      for (int i = 0; i < N; i++) {
        v[i] = spec.decay() * v[i] + (1 - (double) spec.decay()) * squares[i];
      }
      update(g, v, spec);
      compare(t, parameter, w);
      compare(t, moments, v);
    }
  }

  private static AdafactorSpec spec(int step) {
    float decay = (float) (1 - Math.pow(step, -0.8));
    return new AdafactorSpec(0.02f, decay, 1e-30f, 1e-3f, 1f, 0.1f, 0.5f);
  }

  private static double[] squares(double[] g, AdafactorSpec spec) {
    double[] squares = new double[N];
    for (int i = 0; i < N; i++) {
      squares[i] = Math.pow(g[i] * spec.gradientScale(), 2) + spec.epsilon();
    }
    return squares;
  }

  /** Clips by the root mean square and scales by the parameter's. */
  private void update(double[] g, double[] v, AdafactorSpec spec) {
    double[] u = new double[N];
    double squares = 0;
    double size = 0;
    for (int i = 0; i < N; i++) {
      u[i] = g[i] * spec.gradientScale() / Math.sqrt(v[i]);
      squares += u[i] * u[i];
      size += w[i] * w[i];
    }
    double clip = Math.max(1, Math.sqrt(squares / N) / spec.clip());
    double rate = spec.learningRate() * Math.max(spec.minimumScale(), Math.sqrt(size / N));
    assertTrue(Double.isFinite(clip));
    for (int i = 0; i < N; i++) {
      w[i] -= spec.learningRate() * (double) spec.weightDecay() * w[i] + rate * u[i] / clip;
    }
  }
}
