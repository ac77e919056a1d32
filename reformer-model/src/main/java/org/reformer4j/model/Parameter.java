package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * A named parameter: its value and, in training, its gradient. A factor of products has a rounded
 * copy of its value beside it where activations are not floats.
 */
public final class Parameter {
  private final String name;
  private final Shape shape;
  private final Initializer initializer;
  private final boolean factor;
  private Tensor value;
  private Tensor rounded;
  private Tensor gradient;

  Parameter(String name, Shape shape, Initializer initializer, boolean factor) {
    this.name = name;
    this.shape = shape;
    this.initializer = initializer;
    this.factor = factor;
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

  /**
   * Returns the value. Whoever changes it calls {@link ParameterSet#refresh} before the next pass.
   */
  public Tensor value() {
    return value;
  }

  /** Returns whether activations are multiplied by it in their own type. */
  boolean isFactor() {
    return factor;
  }

  /** Returns the value as a factor of activations of a type. */
  Tensor value(DType activations) {
    Tensor tensor = activations == DType.F32 ? value : rounded;
    if (tensor == null || tensor.type() != activations) {
      throw new IllegalStateException("parameter " + name + " has no value of type " + activations);
    }
    return tensor;
  }

  /** Takes its part of a block as value, and allocates a rounded copy where products need one. */
  void allocate(ParameterBlock values, TensorScope scope, DType activations) {
    value = values.of(this);
    rounded = factor && activations != DType.F32 ? scope.allocate(activations, shape.dims()) : null;
  }

  /** Rounds the value to the copy. */
  void refresh(Backend backend) {
    if (rounded != null) {
      backend.round(rounded, value);
    }
  }

  /**
   * Returns the gradient.
   *
   * @throws IllegalStateException if the parameters are for inference only
   */
  public Tensor gradient() {
    if (gradient == null) {
      throw withoutGradients("parameter " + name + " has");
    }
    return gradient;
  }

  static IllegalStateException withoutGradients(String who) {
    return new IllegalStateException(
        who + " no gradient: call ParameterSet.allocateGradients before training");
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

  void setGradient(Tensor gradient) {
    this.gradient = gradient;
  }

  @Override
  public String toString() {
    return name + shape;
  }
}
