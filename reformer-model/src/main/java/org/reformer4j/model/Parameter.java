package org.reformer4j.model;

import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;

/** A named parameter: its value and, in training, its gradient. */
public final class Parameter {
  private final String name;
  private final Shape shape;
  private final Initializer initializer;
  private Tensor value;
  private Tensor gradient;

  Parameter(String name, Shape shape, Initializer initializer) {
    this.name = name;
    this.shape = shape;
    this.initializer = initializer;
  }

  /** Returns the name in Hugging Face's {@code state_dict}. */
  public String name() {
    return name;
  }

  /** Returns the shape in Hugging Face's {@code state_dict}. */
  public Shape shape() {
    return shape;
  }

  /** Returns how it starts. */
  public Initializer initializer() {
    return initializer;
  }

  /** Returns the value. */
  public Tensor value() {
    return value;
  }

  /**
   * Returns the gradient.
   *
   * @throws IllegalStateException if the parameters are for inference only
   */
  public Tensor gradient() {
    if (gradient == null) {
      throw new IllegalStateException(
          "parameter "
              + name
              + " has no gradient: call ParameterSet.allocateGradients before training");
    }
    return gradient;
  }

  /** Returns whether the parameter is a matrix in the sense of optimizers: two real axes. */
  public boolean isMatrix() {
    long large = 0;
    for (long dim : shape.dims()) {
      large += dim > 1 ? 1 : 0;
    }
    return shape.rank() == 2 && large == 2;
  }

  /** Returns whether weight decay applies: to matrices, not to norms, biases and positions. */
  public boolean decays() {
    return isMatrix();
  }

  void setValue(Tensor value) {
    this.value = value;
  }

  void setGradient(Tensor gradient) {
    this.gradient = gradient;
  }

  @Override
  public String toString() {
    return name + shape;
  }
}
