package org.reformer4j.model;

import org.reformer4j.api.Shape;

/**
 * A named result of a model.
 *
 * @param name as in Hugging Face's model outputs: {@code logits}, {@code start_logits}, {@code
 *     end_logits}, {@code loss}; and {@code embeddings}
 * @param shape its shape
 * @param values its elements, row-major; those of rows behind a sequence mean nothing
 */
public record ModelOutput(String name, Shape shape, float[] values) {
  static ModelOutput of(String name, float[] values, long... dims) {
    return new ModelOutput(name, Shape.of(dims), values);
  }
}
