package org.reformer4j.model;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * One number for each number of all parameters, in one block of memory: values, gradients, moments.
 * What treats all numbers alike is one operation on the block. Parameters that decay come first.
 */
public final class ParameterBlock {
  /** Numbers between the beginnings of parameters are a multiple: 16 bytes for vector loads. */
  private static final long ALIGNMENT = 8;

  private final Map<Parameter, Long> places = new LinkedHashMap<>();
  private final long decaying;
  private final Tensor all;

  /** Allocates a block, of unspecified content. */
  ParameterBlock(Collection<Parameter> parameters, TensorScope scope) {
    long at = 0;
    for (Parameter parameter : parameters) {
      at = parameter.decays() ? place(parameter, at) : at;
    }
    decaying = at;
    for (Parameter parameter : parameters) {
      at = parameter.decays() ? at : place(parameter, at);
    }
    all = scope.allocate(DType.F32, 1, at);
  }

  private long place(Parameter parameter, long at) {
    places.put(parameter, at);
    return at + (parameter.shape().elements() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /** Returns all numbers, and what lies between parameters: F32 [1, N]. */
  public Tensor all() {
    return all;
  }

  /** Returns those of the parameters that {@link Parameter#decays}, the same way. */
  public Tensor decaying() {
    return all.columns(0, decaying);
  }

  /** Returns those of the other parameters, the same way. */
  public Tensor others() {
    return all.columns(decaying, all.columns() - decaying);
  }

  /**
   * Returns the numbers of a parameter, in its shape.
   *
   * @param parameter one of those that the block was made for
   */
  public Tensor of(Parameter parameter) {
    long elements = parameter.shape().elements();
    return all.columns(places.get(parameter), elements).reshape(parameter.shape().dims());
  }
}
