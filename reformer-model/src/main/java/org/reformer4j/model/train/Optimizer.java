package org.reformer4j.model.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ParameterSet;

/** Updates all parameters; its state is a set of named tensors, so that saving it is a loop. */
public abstract class Optimizer {
  private final Backend backend;
  private final OptimizerOptions options;
  private final ParameterSet parameters;
  private final Map<String, Tensor> state = new LinkedHashMap<>();

  private Optimizer(Backend backend, OptimizerOptions options, ParameterSet parameters) {
    this.backend = backend;
    this.options = options;
    this.parameters = parameters;
  }

  /**
   * Makes an optimizer with its state at zero.
   *
   * @param options how parameters are updated
   * @param parameters have gradients
   * @param scope holds the state
   * @param backend where the parameters are
   */
  public static Optimizer create(
      OptimizerOptions options, ParameterSet parameters, TensorScope scope, Backend backend) {
    return switch (options.kind()) {
      case ADAMW -> new AdamW(options, parameters, scope, backend);
      case ADAFACTOR -> new Adafactor(options, parameters, scope, backend);
    };
  }

  /** Returns the state: name to tensor, in a fixed order. */
  public Map<String, Tensor> state() {
    return Collections.unmodifiableMap(state);
  }

  /**
   * Updates every parameter.
   *
   * @param rate learning rate
   * @param step number of the update, from 1
   * @param gradientScale factor on all gradients
   */
  public void step(float rate, long step, float gradientScale) {
    for (Parameter parameter : parameters.all()) {
      float decay = parameter.decays() ? options.weightDecay() : 0f;
      update(parameter, rate, decay, step, gradientScale);
    }
    parameters.refresh(backend);
  }

  abstract void update(
      Parameter parameter, float rate, float weightDecay, long step, float gradientScale);

  private Tensor declare(TensorScope scope, Parameter parameter, String what, long... dims) {
    Tensor tensor = scope.allocate(DType.F32, dims);
    backend.fill(tensor, 0f);
    state.put(name(parameter, what), tensor);
    return tensor;
  }

  private static String name(Parameter parameter, String what) {
    return "optimizer." + parameter.name() + "." + what;
  }

  private static final class AdamW extends Optimizer {
    AdamW(OptimizerOptions options, ParameterSet parameters, TensorScope scope, Backend backend) {
      super(backend, options, parameters);
      for (Parameter parameter : parameters.all()) {
        super.declare(scope, parameter, "first", parameter.shape().dims());
        super.declare(scope, parameter, "second", parameter.shape().dims());
      }
    }

    @Override
    void update(
        Parameter parameter, float rate, float weightDecay, long step, float gradientScale) {
      OptimizerOptions options = super.options;
      super.backend.adamW(
          parameter.value(),
          parameter.gradient(),
          state().get(name(parameter, "first")),
          state().get(name(parameter, "second")),
          new AdamWSpec(
              rate,
              options.beta1(),
              options.beta2(),
              options.epsilon(),
              weightDecay,
              step,
              gradientScale));
    }
  }

  private static final class Adafactor extends Optimizer {
    private static final float EPSILON = 1e-30f;
    private static final float MINIMUM_SCALE = 1e-3f;
    private static final float CLIP = 1f;

    Adafactor(
        OptimizerOptions options, ParameterSet parameters, TensorScope scope, Backend backend) {
      super(backend, options, parameters);
      for (Parameter parameter : parameters.all()) {
        if (parameter.isMatrix()) {
          super.declare(scope, parameter, "rows", parameter.shape().dim(0));
          super.declare(scope, parameter, "columns", parameter.shape().dim(1));
        } else {
          super.declare(scope, parameter, "squares", parameter.shape().elements());
        }
      }
    }

    @Override
    void update(
        Parameter parameter, float rate, float weightDecay, long step, float gradientScale) {
      boolean matrix = parameter.isMatrix();
      super.backend.adafactor(
          parameter.value(),
          parameter.gradient(),
          state().get(name(parameter, matrix ? "rows" : "squares")),
          matrix ? state().get(name(parameter, "columns")) : null,
          new AdafactorSpec(
              rate,
              (float) (1 - StrictMath.pow(step, -0.8)),
              EPSILON,
              MINIMUM_SCALE,
              CLIP,
              weightDecay,
              gradientScale));
    }
  }
}
