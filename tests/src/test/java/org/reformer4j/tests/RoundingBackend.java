package org.reformer4j.tests;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The straightforward way of computing in bfloat16: the reference backend's operations, which get
 * BF16 tensors widened to floats and whose results are rounded where they are stored as BF16.
 * Nothing within an operation is rounded, so its errors are those that no implementation avoids.
 */
public final class RoundingBackend {
  /** Operations that take BF16 as they are. */
  private static final Set<String> MEMORY = Set.of("upload", "download", "fill", "copy", "round");

  private RoundingBackend() {}

  /** Returns a backend that computes on BF16 with the operations of another one. */
  public static Backend of(Backend floats) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                method.getName().equals("activationTypes")
                    ? Set.of(DType.F32, DType.BF16)
                    : call(floats, method, arguments));
  }

  private static Object call(Backend floats, Method method, Object[] arguments) throws Throwable {
    if (arguments == null || MEMORY.contains(method.getName())) {
      return invoke(floats, method, arguments);
    }
    try (TensorScope scope = floats.scope("widened")) {
      Map<Tensor, Tensor> widened = new IdentityHashMap<>();
      Object[] given = arguments.clone();
      for (int i = 0; i < given.length; i++) {
        if (given[i] instanceof Tensor tensor && tensor.type() == DType.BF16) {
          given[i] = widened.computeIfAbsent(tensor, t -> widen(floats, scope, t));
        }
      }
      Object result = invoke(floats, method, given);
      // What was only read gets the bits that it had.
      widened.forEach((tensor, wide) -> floats.upload(tensor, floats.download(wide)));
      return result;
    }
  }

  private static Tensor widen(Backend floats, TensorScope scope, Tensor tensor) {
    Tensor wide = scope.allocate(DType.F32, tensor.shape().dims());
    floats.upload(wide, floats.download(tensor));
    return wide;
  }

  /** Calls a method of a backend; what it throws is thrown as it is. */
  static Object invoke(Backend backend, Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(backend, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  /**
   * Returns a backend whose bucket numbers are those of another run, so that both decide alike.
   *
   * @param backend computes all else
   * @param recorded bucket numbers in the order of the calls; filled if it is empty at the first
   */
  public static Backend deciding(Backend backend, List<int[]> recorded) {
    boolean records = recorded.isEmpty();
    List<int[]> left = new ArrayList<>(recorded);
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              Object result = invoke(backend, method, arguments);
              if (method.getName().equals("lshBuckets")) {
                Tensor buckets = (Tensor) arguments[0];
                if (records) {
                  recorded.add(backend.downloadInts(buckets));
                } else {
                  backend.upload(buckets, left.remove(0));
                }
              }
              return result;
            });
  }
}
