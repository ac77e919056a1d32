package org.reformer4j.model;

import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * How a sequence becomes a vector, and how such vectors are trained. Kept in {@code config.json}
 * under names that Hugging Face ignores.
 *
 * @param pooling which hidden states
 * @param normalize whether vectors are divided by their length, so that their product is the cosine
 * @param temperature divisor of the products in the contrastive loss, greater than 0
 */
public record EmbeddingOptions(Pooling pooling, boolean normalize, double temperature) {
  /** The mean, of length 1, trained at the usual temperature 0.05. */
  public static final EmbeddingOptions DEFAULT = new EmbeddingOptions(Pooling.MEAN, true, 0.05);

  /** Name of the field {@code normalize}. */
  public static final String NORMALIZE_FIELD = "normalize_embeddings";

  /** Name of the field {@code temperature}. */
  public static final String TEMPERATURE_FIELD = "contrastive_temperature";

  /** Checks the values. */
  public EmbeddingOptions {
    Objects.requireNonNull(pooling, "pooling");
    if (!(temperature > 0) || !Double.isFinite(temperature)) {
      throw new IllegalArgumentException(
          TEMPERATURE_FIELD + " must be a finite number greater than 0, got " + temperature);
    }
  }

  /**
   * Returns what a config says, and the defaults where it says nothing.
   *
   * @param config the model's
   * @throws IllegalArgumentException if a field has no such value
   */
  public static EmbeddingOptions of(ReformerConfig config) {
    String normalize = config.extra().getOrDefault(NORMALIZE_FIELD, "true");
    if (!normalize.equals("true") && !normalize.equals("false")) {
      throw new IllegalArgumentException(
          NORMALIZE_FIELD + " must be true or false, got " + normalize);
    }
    String temperature =
        config.extra().getOrDefault(TEMPERATURE_FIELD, Double.toString(DEFAULT.temperature));
    try {
      return new EmbeddingOptions(
          Pooling.of(config, DEFAULT.pooling),
          Boolean.parseBoolean(normalize),
          Double.parseDouble(temperature));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          TEMPERATURE_FIELD + " must be a number, got " + temperature, e);
    }
  }

  /**
   * Returns a config that says so.
   *
   * @param config the model's
   */
  public ReformerConfig in(ReformerConfig config) {
    Map<String, String> extra = new TreeMap<>(config.extra());
    extra.put(Pooling.CONFIG_FIELD, '"' + pooling.configName() + '"');
    extra.put(NORMALIZE_FIELD, Boolean.toString(normalize));
    extra.put(TEMPERATURE_FIELD, Double.toString(temperature));
    return config.toBuilder().extra(extra).build();
  }
}
