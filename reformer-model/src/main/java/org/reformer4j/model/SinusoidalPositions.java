package org.reformer4j.model;

/**
 * Sinusoids (Vaswani et al. 2017) as a start for learned or axial positions.
 *
 * <p>Positions stay trainable parameters under Hugging Face's names. But where random rows must
 * learn for each position by itself what lies before it, sinusoids begin with a shift being one
 * linear map for all positions, and a model of a few minutes learns to use its neighbours several
 * times sooner (docs/benchmarks.md).
 */
public final class SinusoidalPositions {
  private static final String PREFIX = "reformer.embeddings.position_embeddings.";
  private static final double LONGEST_PERIOD = 10_000;

  private SinusoidalPositions() {}

  /**
   * Sets the position parameters of a model: columns 2i and 2i+1 of row p become sin and cos of p *
   * 10000^(-2i/width), times sqrt(2) * the standard deviation that the config gives them.
   *
   * @param model a model that is about to be trained from scratch
   */
  public static void set(ReformerModel model) {
    for (Parameter parameter : model.parameters().all()) {
      if (parameter.name().startsWith(PREFIX)) {
        model.backend().upload(parameter.value(), table(parameter));
      }
    }
  }

  private static float[] table(Parameter parameter) {
    int width = Math.toIntExact(parameter.shape().columns());
    int rows = Math.toIntExact(parameter.shape().rows());
    double amplitude = Math.sqrt(2) * parameter.initializer().standardDeviation();
    float[] values = new float[Math.multiplyExact(rows, width)];
    for (int p = 0; p < rows; p++) {
      for (int j = 0; j < width; j++) {
        double angle = p * StrictMath.pow(LONGEST_PERIOD, -(double) (j / 2 * 2) / width);
        double wave = j % 2 == 0 ? StrictMath.sin(angle) : StrictMath.cos(angle);
        values[p * width + j] = (float) (amplitude * wave);
      }
    }
    return values;
  }
}
