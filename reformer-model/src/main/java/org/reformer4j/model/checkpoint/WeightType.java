package org.reformer4j.model.checkpoint;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** In what parameters are stored, under the names of torch. The model itself keeps float32. */
public enum WeightType {
  /** As the model has them. */
  FLOAT32(ElementType.F32),
  /** IEEE 754's binary16: numbers up to 65504. */
  FLOAT16(ElementType.F16),
  /** The upper half of a float32. */
  BFLOAT16(ElementType.BF16);

  private final ElementType element;

  WeightType(ElementType element) {
    this.element = element;
  }

  /** Returns the name that torch and {@code config.json} use, such as {@code bfloat16}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Returns the size of an element. */
  public int bytes() {
    return element.bytes();
  }

  ElementType element() {
    return element;
  }

  /** Returns the type of a tensor, empty if it is another. */
  static Optional<WeightType> of(StoredTensors.Entry entry) {
    return Arrays.stream(values())
        .filter(type -> type.element.name().equals(entry.dtype()))
        .findFirst();
  }
}
