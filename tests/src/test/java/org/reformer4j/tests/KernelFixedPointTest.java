package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendException;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Residual streams of integers: exact inverses, saturation, and the fused operations. */
class KernelFixedPointTest {
  private static final int ROWS = StreamFixture.ROWS;
  private static final int WIDTH = StreamFixture.WIDTH;
  private static final Dropout DROPOUT = KernelCases.mask(RandomPurpose.FEED_FORWARD_OUTPUT);

  static List<String> backends() {
    return TestBackends.names();
  }

  static Stream<Arguments> streamTypes() {
    return TestBackends.with(List.of(DType.F32, DType.FIXED));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theInverseRestoresEveryBit(String name) {
    try (StreamFixture s = new StreamFixture(name, DType.FIXED)) {
      int[] before = s.backend.downloadInts(s.acc);
      for (Tensor bias : new Tensor[] {null, s.bias}) {
        for (Dropout dropout : List.of(Dropout.NONE, DROPOUT)) {
          // Steps of all sizes, as in a stack of layers.
          Tensor[] outputs = new Tensor[12];
          for (int n = 0; n < outputs.length; n++) {
            outputs[n] = s.reals(DType.F32, (float) Math.pow(10, n % 6 - 4), ROWS, WIDTH);
            s.backend.residual(s.acc, outputs[n], bias, 1, dropout);
          }
          assertFalse(Arrays.equals(before, s.backend.downloadInts(s.acc)));
          for (int n = outputs.length - 1; n >= 0; n--) {
            if (n % 3 == 0) {
              s.backend.residual(s.acc, outputs[n], bias, -1, dropout);
            } else if (n % 3 == 1) {
              Tensor out = s.reals(DType.F32, 1, ROWS, WIDTH);
              s.backend.residualNorm(
                  out, s.acc, outputs[n], bias, -1, dropout, s.gain, s.normBias, 1e-5f);
            } else {
              Tensor dAcc = s.reals(DType.F32, 1, ROWS, WIDTH);
              s.backend.residualInverse(s.acc, outputs[n], null, outputs[n], bias, dAcc, dropout);
            }
          }
          assertArrayEquals(before, s.backend.downloadInts(s.acc));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void addendsAreRoundedToTheGridHalvesToEven(String name) {
    try (StreamFixture s = new StreamFixture(name, DType.FIXED)) {
      Tensor ties = s.reals(DType.F32, 1, 1, 6);
      s.backend.upload(
          ties,
          new float[] {0x1p-21f, 3 * 0x1p-21f, -0x1p-21f, -5 * 0x1p-21f, 0x1.000002p-21f, 7.5f});
      Tensor zero = s.scope.allocate(DType.FIXED, 1, 6);
      for (int sign : new int[] {1, -1}) {
        s.backend.fill(zero, 0f);
        s.backend.residual(zero, ties, null, sign, Dropout.NONE);
        int[] expected = {0, 2, 0, -2, 1, 15 << 19};
        for (int i = 0; i < expected.length; i++) {
          assertEquals(sign * expected[i], s.backend.downloadInts(zero)[i], "" + i);
        }
      }
      // Against the formula, with the float sum and product of the float path.
      int[] before = s.backend.downloadInts(s.acc);
      float[] y = s.backend.download(s.y);
      float[] bias = s.backend.download(s.bias);
      float[] factors = new float[y.length];
      DROPOUT.factors(factors, 0, factors.length, 0);
      s.backend.residual(s.acc, s.y, s.bias, -1, DROPOUT);
      int[] after = s.backend.downloadInts(s.acc);
      for (int i = 0; i < after.length; i++) {
        float addend = (y[i] + bias[i % WIDTH]) * factors[i];
        assertEquals(before[i] - (int) Math.rint(addend * 0x1p20), after[i], "" + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void saturationIsReportedAndEverythingElseCanBeTakenBack(String name) {
    try (StreamFixture s = new StreamFixture(name, DType.FIXED)) {
      float[] start = s.backend.download(s.acc);
      start[5] = 2040f;
      start[WIDTH * 50 + 1] = -2040f;
      start[7] = 2040f;
      s.backend.upload(s.acc, start);
      int[] before = s.backend.downloadInts(s.acc);
      float[] y = s.backend.download(s.y);
      y[5] = 9f;
      y[WIDTH * 50 + 1] = -9f;
      y[7] = 7f;
      s.backend.upload(s.y, y);
      assertReported(
          () -> {
            s.backend.residual(s.acc, s.y, null, 1, Dropout.NONE);
            s.backend.synchronize();
          });
      int[] after = s.backend.downloadInts(s.acc);
      assertEquals(Integer.MAX_VALUE, after[5]);
      assertEquals(Integer.MIN_VALUE, after[WIDTH * 50 + 1]);
      assertEquals(2047 << 20, after[7], "still in range");
      // The two saturated elements stay within the range on the way back, all others are restored.
      s.backend.residual(s.acc, s.y, null, -1, Dropout.NONE);
      s.backend.synchronize();
      int[] back = s.backend.downloadInts(s.acc);
      for (int i = 0; i < back.length; i++) {
        if (i == 5 || i == WIDTH * 50 + 1) {
          assertTrue(before[i] != back[i], "saturation loses the sum");
        } else {
          assertEquals(before[i], back[i], "" + i);
        }
      }
      // The backend goes on, and a report is made once.
      s.backend.upload(s.acc, new float[ROWS * WIDTH]);
      int[] zeros = new int[ROWS * WIDTH];
      s.backend.residual(s.acc, s.y, s.bias, 1, DROPOUT);
      s.backend.residual(s.acc, s.y, s.bias, -1, DROPOUT);
      assertArrayEquals(zeros, s.backend.downloadInts(s.acc));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theFusedOperationsReportSaturationToo(String name) {
    try (StreamFixture s = new StreamFixture(name, DType.FIXED)) {
      s.backend.fill(s.y, 1000f);
      Tensor out = s.reals(DType.F32, 1, ROWS, WIDTH);
      s.backend.fill(s.acc, 1500f);
      assertReported(
          () -> {
            s.backend.residualNorm(
                out, s.acc, s.y, s.bias, 1, Dropout.NONE, s.gain, s.normBias, 1e-5f);
            s.backend.synchronize();
          });
      s.backend.fill(s.acc, -1500f);
      assertReported(
          () -> {
            s.backend.residualInverse(s.acc, s.y, null, s.y, null, out, Dropout.NONE);
            s.backend.synchronize();
          });
      assertArrayEquals(s.bits(out), s.bits(s.y), "the gradient is there all the same");
    }
  }

  /** A device is asked at the next wait, and then it still knows which step it was. */
  @ParameterizedTest
  @MethodSource("backends")
  void theErrorNamesTheFirstStepThatLeftTheRange(String name) {
    int steps = 1100;
    int flags = 1024;
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor acc = scope.allocate(DType.FIXED, 1, 4);
      Tensor[] y = {scope.allocate(DType.F32, 1, 4), scope.allocate(DType.F32, 1, 4)};
      backend.fill(y[0], 0f);
      backend.fill(y[1], 2000f);
      for (int from : new int[] {1, 500, flags + 30, steps}) {
        backend.fill(acc, 1000f);
        BackendException error =
            assertThrows(
                BackendException.class,
                () -> {
                  for (int i = 0; i < steps; i++) {
                    backend.place("step " + i);
                    backend.residual(acc, y[i < from ? 0 : 1], null, 1, Dropout.NONE);
                  }
                  backend.place("elsewhere");
                  backend.fill(acc, 1000f);
                  backend.residual(acc, y[1], null, 1, Dropout.NONE);
                  backend.synchronize();
                });
        String where =
            from >= flags && !name.equals("reference")
                ? "step " + (flags - 1) + " or a later one"
                : from == steps ? "elsewhere" : "step " + from;
        assertTrue(
            error.getMessage().startsWith("residual: in " + where + ": "), error.getMessage());
        assertTrue(error.getMessage().contains("FIXED[1, 4]"), error.getMessage());
        assertTrue(error.getMessage().contains("residual_arithmetic"), error.getMessage());
      }
      backend.place("");
      backend.fill(acc, 1000f);
      backend.residual(acc, y[0], null, 1, Dropout.NONE);
      assertEquals(1000f, backend.download(acc)[0], "reported once");
    }
  }

  /** Nobody said what these operations belong to. */
  private static void assertReported(Runnable call) {
    BackendException error = assertThrows(BackendException.class, call::run);
    assertTrue(error.op().startsWith("residual"), error.op());
    assertFalse(error.fatal());
    assertTrue(error.getMessage().contains("2048"), error.getMessage());
    assertTrue(error.getMessage().startsWith(error.op() + ": "), error.getMessage());
  }

  @ParameterizedTest
  @MethodSource("streamTypes")
  void residualNormIsResidualThenLayerNorm(String name, DType type) {
    try (StreamFixture s = new StreamFixture(name, type)) {
      for (Tensor bias : new Tensor[] {null, s.bias}) {
        for (int sign : new int[] {1, -1}) {
          Tensor acc = s.copy(s.acc);
          Tensor out = s.scope.allocate(DType.F32, ROWS, WIDTH);
          s.backend.residual(acc, s.y, bias, sign, DROPOUT);
          s.backend.layerNorm(out, acc, s.gain, s.normBias, 1e-5f);
          Tensor fused = s.reals(DType.F32, 1, ROWS, WIDTH);
          s.backend.residualNorm(fused, s.acc, s.y, bias, sign, DROPOUT, s.gain, s.normBias, 1e-5f);
          assertArrayEquals(s.bits(acc), s.bits(s.acc), "acc");
          assertArrayEquals(s.bits(out), s.bits(fused), "out");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("streamTypes")
  void residualInverseIsTheInverseThenTheGradient(String name, DType type) {
    try (StreamFixture s = new StreamFixture(name, type)) {
      Tensor dAcc = s.reals(DType.F32, 1, ROWS, WIDTH);
      for (Tensor bias : new Tensor[] {null, s.bias}) {
        for (boolean inPlace : new boolean[] {false, true}) {
          Tensor acc = s.copy(s.acc);
          Tensor dY = s.scope.allocate(DType.F32, ROWS, WIDTH);
          Tensor dBias = s.reals(DType.F32, 1, WIDTH);
          Tensor fusedBias = s.copy(dBias);
          s.backend.residual(acc, s.y, bias, -1, DROPOUT);
          s.backend.residualBackward(dY, dBias, dAcc, DROPOUT);
          Tensor y = s.copy(s.y);
          Tensor fused = inPlace ? y : s.reals(DType.F32, 1, ROWS, WIDTH);
          s.backend.residualInverse(
              s.acc, fused, bias == null ? null : fusedBias, y, bias, dAcc, DROPOUT);
          assertArrayEquals(s.bits(acc), s.bits(s.acc), "acc");
          assertArrayEquals(s.bits(dY), s.bits(fused), "dY");
          if (bias != null) {
            assertArrayEquals(s.bits(dBias), s.bits(fusedBias), "dBias");
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void normsOfFixedStreamsAreThoseOfTheSameFloats(String name) {
    try (StreamFixture s = new StreamFixture(name, DType.FIXED)) {
      // Integers of at most 24 bits: a float holds the same values.
      float[] values = s.backend.download(s.acc);
      Tensor floats = s.scope.allocate(DType.F32, ROWS, WIDTH);
      s.backend.upload(floats, values);
      Tensor expected = s.scope.allocate(DType.F32, ROWS, WIDTH);
      Tensor actual = s.scope.allocate(DType.F32, ROWS, WIDTH);
      s.backend.layerNorm(expected, floats, s.gain, s.normBias, 1e-5f);
      s.backend.layerNorm(actual, s.acc, s.gain, s.normBias, 1e-5f);
      assertArrayEquals(s.bits(expected), s.bits(actual));
      Tensor[][] gradients = new Tensor[2][];
      for (int i = 0; i < 2; i++) {
        gradients[i] =
            new Tensor[] {
              s.scope.allocate(DType.F32, ROWS, WIDTH),
              s.scope.allocate(DType.F32, WIDTH),
              s.scope.allocate(DType.F32, WIDTH)
            };
        for (Tensor gradient : gradients[i]) {
          s.backend.fill(gradient, 0.25f);
        }
        s.backend.layerNormBackward(
            gradients[i][0],
            gradients[i][1],
            gradients[i][2],
            s.y,
            i == 0 ? floats : s.acc,
            s.gain,
            1e-5f);
      }
      for (int i = 0; i < 3; i++) {
        assertArrayEquals(s.bits(gradients[0][i]), s.bits(gradients[1][i]), "gradient " + i);
      }
    }
  }
}
