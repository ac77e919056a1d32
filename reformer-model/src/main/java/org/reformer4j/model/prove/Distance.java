package org.reformer4j.model.prove;

/** Euclidean distance of many numbers from what they should be, relative to the latter's norm. */
final class Distance {
  private double squares;
  private double differences;

  void add(double[] found, double[] expected) {
    if (found.length != expected.length) {
      throw new IllegalArgumentException(
          "found must have as many numbers as expected, got "
              + found.length
              + " and "
              + expected.length);
    }
    for (int i = 0; i < found.length; i++) {
      double difference = found[i] - expected[i];
      differences += difference * difference;
      squares += expected[i] * expected[i];
    }
  }

  /** Returns the distance; 0 only if all numbers are equal. */
  double relative() {
    return differences == 0 ? 0 : Math.sqrt(differences / squares);
  }

  static double[] widened(float[] floats) {
    double[] values = new double[floats.length];
    for (int i = 0; i < floats.length; i++) {
      values[i] = floats[i];
    }
    return values;
  }
}
