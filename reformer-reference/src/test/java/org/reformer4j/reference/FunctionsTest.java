package org.reformer4j.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.reformer4j.api.Activation;

/** Special functions against known values, other formulas and finite differences. */
class FunctionsTest {
  @Test
  void erfHasItsKnownValues() {
    // Abramowitz and Stegun, table 7.1.
    assertEquals(0.0, Erf.of(0), 0);
    assertEquals(0.5204998778130465, Erf.of(0.5), 1e-13);
    assertEquals(0.8427007929497149, Erf.of(1), 1e-13);
    assertEquals(0.9953222650189527, Erf.of(2), 1e-13);
    assertEquals(-0.9999779095030014, Erf.of(-3), 1e-13);
    assertEquals(1.0, Erf.of(9), 0);
  }

  @Test
  void erfIsSmoothBetweenItsNodes() {
    Random random = new Random(1);
    for (int i = 0; i < 20_000; i++) {
      double x = random.nextDouble() * 12 - 6;
      double h = 1e-4;
      double slope = (Erf.of(x + h) - Erf.of(x - h)) / (2 * h);
      assertEquals(2 / Math.sqrt(Math.PI) * Math.exp(-x * x), Erf.slope(x), 1e-8, "at " + x);
      assertEquals(Erf.slope(x), slope, 1e-7, "at " + x);
    }
  }

  @Test
  void expOfNonPositiveAgreesWithMath() {
    double[] x = new double[3000];
    for (int i = 0; i < x.length; i++) {
      x[i] = -40.0 * i / x.length;
    }
    double[] y = x.clone();
    Exp.ofNonPositive(y, y.length);
    for (int i = 0; i < x.length; i++) {
      assertEquals(1, y[i] / Math.exp(x[i]), 1e-12, "at " + x[i]);
    }
    double[] low = {-88, -1000, Double.NEGATIVE_INFINITY};
    Exp.ofNonPositive(low, low.length);
    for (double value : low) {
      assertEquals(0, value);
    }
  }

  @Test
  void logAddKeepsInfinities() {
    double nothing = Double.NEGATIVE_INFINITY;
    assertEquals(nothing, Exp.logAdd(nothing, nothing));
    assertEquals(3, Exp.logAdd(nothing, 3));
    assertEquals(Math.log(2) - 1e5, Exp.logAdd(-1e5, -1e5), 1e-10);
  }

  @Test
  void slopesAreDerivatives() {
    for (Activation activation : Activation.values()) {
      for (float u = -5.05f; u < 5; u += 0.1f) {
        float h = 1e-2f;
        double difference =
            ((double) Activations.value(activation, u + h) - Activations.value(activation, u - h))
                / ((double) (u + h) - (u - h));
        assertEquals(difference, Activations.slope(activation, u), 2e-4, activation + " at " + u);
      }
    }
  }
}
