package org.reformer4j.model.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ParameterBlock;
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
    update(rate, step, gradientScale);
    parameters.refresh(backend);
  }

  abstract void update(float rate, long step, float gradientScale);

  private Tensor declare(Parameter parameter, String what, Tensor tensor) {
    state.put(name(parameter, what), tensor);
    return tensor;
  }

  private static String name(Parameter parameter, String what) {
    return "optimizer." + parameter.name() + "." + what;
  }

  /** One operation for all parameters that decay, and one for the others. */
  private static final class AdamW extends Optimizer {
    private final ParameterBlock first;
    private final ParameterBlock second;

    AdamW(OptimizerOptions options, ParameterSet parameters, TensorScope scope, Backend backend) {
      super(backend, options, parameters);
      first = parameters.zeros(scope, backend);
      second = parameters.zeros(scope, backend);
      for (Parameter parameter : parameters.all()) {
        super.declare(parameter, "first", first.of(parameter));
        super.declare(parameter, "second", second.of(parameter));
      }
    }

    @Override
    void update(float rate, long step, float gradientScale) {
      update(ParameterBlock::decaying, rate, super.options.weightDecay(), step, gradientScale);
      update(ParameterBlock::others, rate, 0f, step, gradientScale);
    }

    private void update(
        Function<ParameterBlock, Tensor> part,
        float rate,
        float weightDecay,
        long step,
        float gradientScale) {
      OptimizerOptions options = super.options;
      ParameterSet parameters = super.parameters;
      super.backend.adamW(
          part.apply(parameters.values()),
          part.apply(parameters.gradients()),
          part.apply(first),
          part.apply(second),
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
          declare(scope, parameter, "rows", parameter.shape().dim(0));
          declare(scope, parameter, "columns", parameter.shape().dim(1));
        } else {
          declare(scope, parameter, "squares", parameter.shape().elements());
        }
      }
    }

    private void declare(TensorScope scope, Parameter parameter, String what, long elements) {
      super.backend.fill(super.declare(parameter, what, scope.allocate(DType.F32, elements)), 0f);
    }

    @Override
    void update(float rate, long step, float gradientScale) {
      for (Parameter parameter : super.parameters.all()) {
        update(parameter, rate, step, gradientScale);
      }
    }

    private void update(Parameter parameter, float rate, long step, float gradientScale) {
      boolean matrix = parameter.isMatrix();
      super.backend.adafactor(
          parameter.value(),
          parameter.gradient(),
          moments(parameter, matrix ? "rows" : "squares"),
          matrix ? moments(parameter, "columns") : null,
          new AdafactorSpec(
              rate,
              (float) (1 - StrictMath.pow(step, -0.8)),
              EPSILON,
              MINIMUM_SCALE,
              CLIP,
              parameter.decays() ? super.options.weightDecay() : 0f,
              gradientScale));
    }

    private Tensor moments(Parameter parameter, String what) {
      return state().get(name(parameter, what));
    }
  }
}
