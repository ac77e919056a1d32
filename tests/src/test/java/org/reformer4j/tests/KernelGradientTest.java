package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * Every operation with a backward, but for attention (see AttentionTest): the gradient along random
 * directions against central differences of the operation itself.
 */
class KernelGradientTest {
  private static final int ROWS = 12;
  private static final int COLUMNS = 10;
  private static final int DIRECTIONS = 6;

  /** One operation on one backend: named inputs, the result, and the gradients. */
  private static final class Op implements AutoCloseable {
    final Backend backend;
    final TensorScope scope;
    final Random random = new Random(11);
    final Map<String, Tensor> inputs = new LinkedHashMap<>();
    final Map<String, Tensor> gradients = new LinkedHashMap<>();
    final Tensor out;
    final Tensor dOut;
    Runnable forward;
    Runnable backward;

    Op(String backendName, long rows, long columns) {
      backend = TestBackends.open(backendName);
      scope = backend.scope("test");
      out = scope.allocate(DType.F32, rows, columns);
      dOut = normal(rows, columns);
    }

    /** Allocates normal numbers in a strided view. */
    Tensor normal(long... dims) {
      long columns = dims[dims.length - 1];
      long rows = dims.length == 1 ? 1 : dims[0];
      Tensor tensor =
          dims.length == 1
              ? scope.allocate(DType.F32, columns)
              : scope.allocate(DType.F32, rows, columns + 2).columns(1, columns);
      float[] values = new float[(int) (rows * columns)];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      backend.upload(tensor, values);
      return tensor;
    }

    Tensor ints(int count, int bound) {
      Tensor tensor = scope.allocate(DType.I32, count);
      backend.upload(tensor, random.ints(count, 0, bound).toArray());
      return tensor;
    }

    Tensor input(String name, long... dims) {
      Tensor tensor = normal(dims);
      inputs.put(name, tensor);
      Tensor gradient = normal(dims);
      backend.fill(gradient, 0f);
      gradients.put(name, gradient);
      return tensor;
    }

    Tensor d(String name) {
      return gradients.get(name);
    }

    /** Returns the sum of out * dOut in double. */
    double value() {
      forward.run();
      float[] result = backend.download(out);
      float[] weights = backend.download(dOut);
      double sum = 0;
      for (int i = 0; i < result.length; i++) {
        sum += (double) result[i] * weights[i];
      }
      return sum;
    }

    void check() {
      forward.run();
      backward.run();
      for (String name : inputs.keySet()) {
        float[] values = backend.download(inputs.get(name));
        float[] gradient = backend.download(gradients.get(name));
        for (int n = 0; n < DIRECTIONS; n++) {
          double expected = 0;
          double size = 0;
          float[] up = values.clone();
          float[] down = values.clone();
          for (int i = 0; i < values.length; i++) {
            float direction = (float) random.nextGaussian();
            up[i] += 2e-3f * direction;
            down[i] -= 2e-3f * direction;
            double step = ((double) up[i] - down[i]) / 4e-3;
            expected += gradient[i] * step;
            size += (double) gradient[i] * gradient[i];
          }
          backend.upload(inputs.get(name), up);
          double high = value();
          backend.upload(inputs.get(name), down);
          double low = value();
          backend.upload(inputs.get(name), values);
          assertEquals(
              expected,
              (high - low) / 4e-3,
              Tolerances.FLOAT_DIFFERENCE * (1 + Math.sqrt(size)),
              name + " direction " + n);
        }
      }
    }

    @Override
    public void close() {
      scope.close();
      backend.close();
    }
  }

  private static Dropout dropout(RandomPurpose purpose) {
    return new Dropout(0.3f, new Philox.Stream(9, 2, 1, purpose));
  }

  static Stream<Arguments> cases() {
    List<Arguments> cases = new ArrayList<>();
    for (String backend : TestBackends.names()) {
      cases.add(Arguments.of(backend, "layerNorm", (Consumer<Op>) KernelGradientTest::layerNorm));
      cases.add(Arguments.of(backend, "residual", (Consumer<Op>) KernelGradientTest::residual));
      cases.add(Arguments.of(backend, "addBias", (Consumer<Op>) KernelGradientTest::addBias));
      cases.add(Arguments.of(backend, "dropout", (Consumer<Op>) KernelGradientTest::dropout));
      cases.add(Arguments.of(backend, "gemm", (Consumer<Op>) KernelGradientTest::gemm));
      cases.add(
          Arguments.of(
              backend,
              "embed learned",
              (Consumer<Op>) op -> embed(op, List.of(new Axis(7, COLUMNS, 1)))));
      cases.add(
          Arguments.of(
              backend,
              "embed axial",
              (Consumer<Op>) op -> embed(op, List.of(new Axis(3, 4, 4), new Axis(4, 6, 1)))));
      cases.add(
          Arguments.of(
              backend,
              "embed three axes",
              (Consumer<Op>)
                  op ->
                      embed(op, List.of(new Axis(2, 2, 6), new Axis(2, 3, 3), new Axis(3, 5, 1)))));
      for (Activation activation : Activation.values()) {
        for (int chunk : new int[] {1, 5, 100}) {
          cases.add(
              Arguments.of(
                  backend,
                  "feedForward " + activation + " chunk " + chunk,
                  (Consumer<Op>) op -> feedForward(op, activation, chunk)));
        }
      }
    }
    return cases.stream();
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void gradientIsTheSlope(String backend, String name, Consumer<Op> build) {
    try (Op op = new Op(backend, ROWS, COLUMNS)) {
      build.accept(op);
      op.check();
    }
  }

  private static void layerNorm(Op op) {
    Tensor x = op.input("x", ROWS, COLUMNS);
    Tensor gain = op.input("gain", COLUMNS);
    Tensor bias = op.input("bias", COLUMNS);
    op.forward = () -> op.backend.layerNorm(op.out, x, gain, bias, 1e-5f);
    op.backward =
        () ->
            op.backend.layerNormBackward(
                op.d("x"), op.d("gain"), op.d("bias"), op.dOut, x, gain, 1e-5f);
  }

  private static void residual(Op op) {
    Tensor y = op.input("y", ROWS, COLUMNS);
    Tensor bias = op.input("bias", COLUMNS);
    Dropout dropout = dropout(RandomPurpose.ATTENTION_OUTPUT);
    op.forward =
        () -> {
          op.backend.fill(op.out, 0.5f);
          op.backend.residual(op.out, y, bias, 1, dropout);
        };
    op.backward = () -> op.backend.residualBackward(op.d("y"), op.d("bias"), op.dOut, dropout);
  }

  private static void addBias(Op op) {
    Tensor bias = op.input("bias", COLUMNS);
    op.forward =
        () -> {
          op.backend.fill(op.out, 0.5f);
          op.backend.addBias(op.out, bias);
        };
    op.backward = () -> op.backend.biasGradient(op.d("bias"), op.dOut);
  }

  private static void dropout(Op op) {
    Tensor x = op.input("x", ROWS, COLUMNS);
    Dropout dropout = dropout(RandomPurpose.FINAL_HIDDEN);
    op.forward =
        () -> {
          op.backend.copy(op.out, x);
          op.backend.dropout(op.out, 5, dropout);
        };
    op.backward =
        () -> {
          op.backend.copy(op.d("x"), op.dOut);
          op.backend.dropout(op.d("x"), 5, dropout);
        };
  }

  private static void gemm(Op op) {
    Tensor a = op.input("a", ROWS, 9);
    Tensor b = op.input("b", COLUMNS, 9);
    op.forward = () -> op.backend.gemm(op.out, a, false, b, true, 1f, 0f);
    op.backward =
        () -> {
          op.backend.gemm(op.d("a"), op.dOut, false, b, false, 1f, 0f);
          op.backend.gemm(op.d("b"), op.dOut, true, a, false, 1f, 1f);
        };
  }

  private static void embed(Op op, List<Axis> axes) {
    EmbeddingSpec spec =
        new EmbeddingSpec(
            axes,
            dropout(RandomPurpose.TOKEN_EMBEDDING),
            dropout(RandomPurpose.POSITION_EMBEDDING),
            ROWS / 2);
    Tensor tokens = op.input("tokens", 5, COLUMNS);
    List<Tensor> tables = new ArrayList<>();
    List<Tensor> dTables = new ArrayList<>();
    for (int a = 0; a < axes.size(); a++) {
      tables.add(op.input("table " + a, axes.get(a).size(), axes.get(a).width()));
      dTables.add(op.d("table " + a));
    }
    Tensor ids = op.ints(ROWS, 5);
    Tensor positions = op.ints(ROWS, (int) spec.positions());
    op.forward = () -> op.backend.embed(op.out, ids, positions, tokens, tables, spec);
    op.backward =
        () -> op.backend.embedBackward(op.d("tokens"), dTables, op.dOut, ids, positions, spec);
  }

  private static void feedForward(Op op, Activation activation, int chunk) {
    int inner = 14;
    Tensor x = op.input("x", ROWS, COLUMNS);
    Tensor w1 = op.input("w1", inner, COLUMNS);
    Tensor b1 = op.input("b1", inner);
    Tensor w2 = op.input("w2", COLUMNS, inner);
    FeedForwardSpec spec =
        new FeedForwardSpec(activation, chunk, dropout(RandomPurpose.FEED_FORWARD_HIDDEN));
    // Smaller weights keep the values where a float has room for differences, and few of the
    // hidden values at the kink of relu.
    float[] small = op.backend.download(w1);
    for (int i = 0; i < small.length; i++) {
      small[i] *= 0.3f;
    }
    op.backend.upload(w1, small);
    Tensor again = op.normal(ROWS, COLUMNS);
    op.forward = () -> op.backend.feedForward(op.out, x, w1, b1, w2, spec);
    op.backward =
        () -> {
          op.backend.feedForwardBackward(
              again, op.d("x"), op.d("w1"), op.d("b1"), op.d("w2"), op.dOut, x, w1, b1, w2, spec);
          assertArrayEquals(
              op.backend.download(op.out), op.backend.download(again), "recomputed result");
        };
  }
}
