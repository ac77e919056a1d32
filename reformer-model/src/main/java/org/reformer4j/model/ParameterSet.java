package org.reformer4j.model;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Philox;
import org.reformer4j.api.RandomPurpose;
import org.reformer4j.api.Shape;
import org.reformer4j.api.TensorScope;

/**
 * The parameters of a model in a fixed order. Components declare what they need; allocation,
 * checkpoints and optimizers are loops over this set.
 */
public final class ParameterSet {
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();

  /** Null until allocated. */
  private ParameterBlock values;

  private ParameterBlock gradients;

  /**
   * Declares a parameter.
   *
   * @param name name in Hugging Face's {@code state_dict}
   * @param initializer how it starts
   * @param dims its shape there
   * @throws IllegalStateException if the name is taken
   */
  public Parameter declare(String name, Initializer initializer, long... dims) {
    return declare(name, initializer, false, dims);
  }

  /**
   * Declares a matrix that activations are multiplied by, in their type.
   *
   * @param name name in Hugging Face's {@code state_dict}
   * @param initializer how it starts
   * @param rows of the matrix
   * @param columns of the matrix
   * @throws IllegalStateException if the name is taken
   */
  public Parameter declareFactor(String name, Initializer initializer, long rows, long columns) {
    return declare(name, initializer, true, rows, columns);
  }

  private Parameter declare(String name, Initializer initializer, boolean factor, long... dims) {
    Parameter parameter = new Parameter(name, Shape.of(dims), initializer, factor);
    if (parameters.putIfAbsent(name, parameter) != null) {
      throw new IllegalStateException("parameter " + name + " is declared twice");
    }
    return parameter;
  }

  /** Returns all parameters in the order of declaration. */
  public Collection<Parameter> all() {
    return Collections.unmodifiableCollection(parameters.values());
  }

  /**
   * Returns a parameter, or null if there is none of that name.
   *
   * @param name name in Hugging Face's {@code state_dict}
   */
  public Parameter find(String name) {
    return parameters.get(name);
  }

  /** Returns the number of elements of all parameters. */
  public long elements() {
    return parameters.values().stream().mapToLong(p -> p.shape().elements()).sum();
  }

  /**
   * Allocates the values; they are not set yet.
   *
   * @param scope lives as long as the model
   * @param activations what factors are multiplied with
   */
  void allocate(TensorScope scope, DType activations) {
    if (values != null) {
      throw new IllegalStateException("the parameters are allocated already");
    }
    values = new ParameterBlock(all(), scope);
    for (Parameter parameter : parameters.values()) {
      parameter.allocate(values, scope, activations);
    }
  }

  /**
   * Allocates gradients and sets them to zero; does nothing if there are some.
   *
   * @param scope lives as long as the training
   * @param backend the model's backend
   */
  public void allocateGradients(TensorScope scope, Backend backend) {
    if (gradients == null) {
      gradients = zeros(scope, backend);
      for (Parameter parameter : parameters.values()) {
        parameter.setGradient(gradients.of(parameter));
      }
    }
  }

  /**
   * Returns a new block with a zero for each number of all parameters.
   *
   * @param scope holds it
   * @param backend the model's backend
   */
  public ParameterBlock zeros(TensorScope scope, Backend backend) {
    ParameterBlock block = new ParameterBlock(all(), scope);
    backend.fill(block.all(), 0f);
    return block;
  }

  /** Returns the values of all parameters. Whoever changes them calls {@link #refresh}. */
  public ParameterBlock values() {
    return values;
  }

  /** Returns the gradients of all parameters; zero between them. */
  public ParameterBlock gradients() {
    if (gradients == null) {
      throw Parameter.withoutGradients("the parameters have");
    }
    return gradients;
  }

  /**
   * Sets all gradients to zero.
   *
   * @param backend the model's backend
   */
  public void zeroGradients(Backend backend) {
    backend.fill(gradients().all(), 0f);
  }

  /**
   * Takes over values that were changed: rounds them anew where products need them rounded. To be
   * called after every change of values, before the next pass.
   *
   * @param backend the model's backend
   */
  public void refresh(Backend backend) {
    parameters.values().forEach(parameter -> parameter.refresh(backend));
  }

  /**
   * Sets every value as its initializer says.
   *
   * @param backend the model's backend
   * @param seed equal seeds give equal values on every backend
   */
  void initialize(Backend backend, long seed) {
    int index = 0;
    for (Parameter parameter : parameters.values()) {
      initialize(backend, seed, parameter, index++);
    }
    refresh(backend);
  }

  /** Sets one value; the index tells parameters of equal shape apart. */
  private static void initialize(Backend backend, long seed, Parameter parameter, int index) {
    Initializer initializer = parameter.initializer();
    if (initializer.standardDeviation() == 0f) {
      backend.fill(parameter.value(), initializer.value());
      return;
    }
    float[] values = new float[Math.toIntExact(parameter.shape().elements())];
    new Philox.Stream(seed, 0, index, RandomPurpose.INITIALIZATION).normals(values);
    for (int i = 0; i < values.length; i++) {
      values[i] = initializer.value() + initializer.standardDeviation() * values[i];
    }
    backend.upload(parameter.value(), values);
  }
}
