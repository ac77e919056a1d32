package org.reformer4j.model;

import java.util.Arrays;
import java.util.Locale;
import org.reformer4j.api.DType;

/** In what numbers the residual streams add up: {@code residual_arithmetic} in the config. */
public enum ResidualArithmetic {
  /**
   * Floats, as in Hugging Face. Sums round, so what the backward pass rebuilds differs from what
   * was there by about 1e-7 of it per layer.
   */
  FLOAT(DType.F32),
  /**
   * Integers of 32 bits in steps of 2^-20, {@link org.reformer4j.api.FixedPoint}. Addition and
   * subtraction are exact, so the backward pass rebuilds every bit, whatever the depth, and
   * gradients are those of a pass that stores everything. A stream that leaves +-2048 is reported,
   * never wrapped.
   */
  FIXED_POINT(DType.FIXED);

  private final DType streams;

  ResidualArithmetic(DType streams) {
    this.streams = streams;
  }

  /** Returns the type of the streams. */
  DType streams() {
    return streams;
  }

  /** Returns the name used in {@code config.json}. */
  public String configName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Returns the arithmetic of that name.
   *
   * @param name value of {@code residual_arithmetic}
   * @throws IllegalArgumentException if there is none; the message lists the names known
   */
  public static ResidualArithmetic fromConfigName(String name) {
    return Arrays.stream(values())
        .filter(value -> value.configName().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "'"
                        + name
                        + "' is not supported; use one of "
                        + Arrays.stream(values()).map(ResidualArithmetic::configName).toList()));
  }
}
