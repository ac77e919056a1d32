package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Activation;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.EmbeddingSpec.Axis;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;

/**
 * Every operation with a backward, but for attention (see AttentionTest): the gradient along random
 * directions against central differences of the operation itself.
 */
class KernelGradientTest {
  private static final int ROWS = 12;
  private static final int COLUMNS = 10;

  private static Dropout dropout(RandomPurpose purpose) {
    return new Dropout(0.3f, new Philox.Stream(9, 2, 1, purpose));
  }

  static Stream<Arguments> cases() {
    List<Arguments> cases = new ArrayList<>();
    for (String backend : TestBackends.names()) {
      cases.add(
          Arguments.of(
              backend, "layerNorm", (Consumer<GradientCheck>) KernelGradientTest::layerNorm));
      cases.add(
          Arguments.of(
              backend, "residual", (Consumer<GradientCheck>) KernelGradientTest::residual));
      cases.add(
          Arguments.of(
              backend, "residualNorm", (Consumer<GradientCheck>) KernelGradientTest::residualNorm));
      cases.add(
          Arguments.of(
              backend,
              "residualInverse",
              (Consumer<GradientCheck>) KernelGradientTest::residualInverse));
      cases.add(
          Arguments.of(backend, "addBias", (Consumer<GradientCheck>) KernelGradientTest::addBias));
      cases.add(
          Arguments.of(backend, "dropout", (Consumer<GradientCheck>) KernelGradientTest::dropout));
      cases.add(Arguments.of(backend, "gemm", (Consumer<GradientCheck>) KernelGradientTest::gemm));
      cases.add(
          Arguments.of(
              backend,
              "embed learned",
              (Consumer<GradientCheck>) op -> embed(op, List.of(new Axis(7, COLUMNS, 1)))));
      cases.add(
          Arguments.of(
              backend,
              "embed axial",
              (Consumer<GradientCheck>)
                  op -> embed(op, List.of(new Axis(3, 4, 4), new Axis(4, 6, 1)))));
      cases.add(
          Arguments.of(
              backend,
              "embed three axes",
              (Consumer<GradientCheck>)
                  op ->
                      embed(op, List.of(new Axis(2, 2, 6), new Axis(2, 3, 3), new Axis(3, 5, 1)))));
      for (Activation activation : Activation.values()) {
        for (int chunk : new int[] {1, 5, 100}) {
          cases.add(
              Arguments.of(
                  backend,
                  "feedForward " + activation + " chunk " + chunk,
                  (Consumer<GradientCheck>) op -> feedForward(op, activation, chunk)));
        }
      }
    }
    return cases.stream();
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void gradientIsTheSlope(String backend, String name, Consumer<GradientCheck> build) {
    try (GradientCheck op = new GradientCheck(backend, ROWS, COLUMNS)) {
      build.accept(op);
      op.check();
    }
  }

  private static void layerNorm(GradientCheck op) {
    Tensor x = op.input("x", ROWS, COLUMNS);
    Tensor gain = op.input("gain", COLUMNS);
    Tensor bias = op.input("bias", COLUMNS);
    op.forward = () -> op.backend.layerNorm(op.out, x, gain, bias, 1e-5f);
    op.backward =
        () ->
            op.backend.layerNormBackward(
                op.d("x"), op.d("gain"), op.d("bias"), op.dOut, x, gain, 1e-5f);
  }

  private static void residual(GradientCheck op) {
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

  private static void residualNorm(GradientCheck op) {
    Tensor y = op.input("y", ROWS, COLUMNS);
    Tensor bias = op.input("bias", COLUMNS);
    Tensor gain = op.input("gain", COLUMNS);
    Tensor normBias = op.input("normBias", COLUMNS);
    Tensor start = op.normal(ROWS, COLUMNS);
    Tensor acc = op.normal(ROWS, COLUMNS);
    Tensor dAcc = op.normal(ROWS, COLUMNS);
    Dropout dropout = dropout(RandomPurpose.ATTENTION_OUTPUT);
    op.forward =
        () -> {
          op.backend.copy(acc, start);
          op.backend.residualNorm(op.out, acc, y, bias, 1, dropout, gain, normBias, 1e-5f);
        };
    op.backward =
        () -> {
          op.backend.fill(dAcc, 0f);
          op.backend.layerNormBackward(
              dAcc, op.d("gain"), op.d("normBias"), op.dOut, acc, gain, 1e-5f);
          op.backend.residualBackward(op.d("y"), op.d("bias"), dAcc, dropout);
        };
  }

  private static void residualInverse(GradientCheck op) {
    Tensor y = op.input("y", ROWS, COLUMNS);
    Tensor bias = op.input("bias", COLUMNS);
    Tensor acc = op.normal(ROWS, COLUMNS);
    Dropout dropout = dropout(RandomPurpose.ATTENTION_OUTPUT);
    op.forward =
        () -> {
          op.backend.fill(op.out, 0.5f);
          op.backend.residual(op.out, y, bias, 1, dropout);
        };
    op.backward =
        () -> {
          op.backend.copy(acc, op.out);
          op.backend.residualInverse(acc, op.d("y"), op.d("bias"), y, bias, op.dOut, dropout);
          for (float value : op.backend.download(acc)) {
            assertEquals(0.5, value, Tolerances.FORMULA, "the input is back");
          }
        };
  }

  private static void addBias(GradientCheck op) {
    Tensor bias = op.input("bias", COLUMNS);
    op.forward =
        () -> {
          op.backend.fill(op.out, 0.5f);
          op.backend.addBias(op.out, bias);
        };
    op.backward = () -> op.backend.biasGradient(op.d("bias"), op.dOut);
  }

  private static void dropout(GradientCheck op) {
    Tensor x = op.input("x", ROWS, COLUMNS);
    Dropout dropout = dropout(RandomPurpose.FINAL_HIDDEN);
    op.forward =
        () -> {
          op.backend.copy(op.out, x);
          op.backend.dropout(op.out, dropout.from(5));
        };
    op.backward =
        () -> {
          op.backend.copy(op.d("x"), op.dOut);
          op.backend.dropout(op.d("x"), dropout.from(5));
        };
  }

  private static void gemm(GradientCheck op) {
    Tensor a = op.input("a", ROWS, 9);
    Tensor b = op.input("b", COLUMNS, 9);
    op.forward = () -> op.backend.gemm(op.out, a, false, b, true, 1f, 0f);
    op.backward =
        () -> {
          op.backend.gemm(op.d("a"), op.dOut, false, b, false, 1f, 0f);
          op.backend.gemm(op.d("b"), op.dOut, true, a, false, 1f, 1f);
        };
  }

  private static void embed(GradientCheck op, List<Axis> axes) {
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

  private static void feedForward(GradientCheck op, Activation activation, int chunk) {
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
