package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.tests.KernelCases.Arg;
import org.reformer4j.tests.KernelCases.Case;
import org.reformer4j.tests.KernelCases.Role;

/** The contract of every operation and every tensor of it, from a table of valid calls. */
class KernelTableTest {
  static Stream<Arguments> cases() {
    return TestBackends.names().stream()
        .flatMap(name -> KernelCases.all().stream().map(c -> Arguments.of(name, c)));
  }

  private static Tensor allocate(TensorScope scope, Arg arg, boolean strided) {
    if (strided && arg.mayBeStrided()) {
      return scope
          .allocate(arg.type(), arg.dims()[0] + 2, arg.dims()[1] + 3)
          .rows(1, arg.dims()[0])
          .columns(2, arg.dims()[1]);
    }
    return scope.allocate(arg.type(), arg.dims());
  }

  static void upload(Backend backend, Tensor tensor, Object values) {
    if (values instanceof int[] ints) {
      backend.upload(tensor, ints);
    } else if (values instanceof byte[] bytes) {
      backend.upload(tensor, bytes);
    } else {
      backend.upload(tensor, (float[]) values);
    }
  }

  /**
   * Returns the elements of every tensor but those of I8, which none writes; float bits, so that ==
   * means the same bits.
   */
  static Map<String, int[]> download(Backend backend, Map<String, Tensor> tensors) {
    Map<String, int[]> all = new HashMap<>();
    tensors.forEach(
        (name, tensor) -> {
          if (tensor == null || tensor.type() != DType.I8) {
            all.put(name, tensor == null ? null : bits(backend, tensor));
          }
        });
    return all;
  }

  private static int[] bits(Backend backend, Tensor tensor) {
    if (tensor.type() == DType.I32 || tensor.type() == DType.FIXED) {
      return backend.downloadInts(tensor);
    }
    float[] values = backend.download(tensor);
    return Arrays.stream(range(values.length)).map(i -> Float.floatToIntBits(values[i])).toArray();
  }

  private static int[] range(int n) {
    int[] numbers = new int[n];
    Arrays.setAll(numbers, i -> i);
    return numbers;
  }

  static Map<String, Tensor> tensors(Backend backend, TensorScope scope, Case c, boolean strided) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Arg arg : c.args()) {
      Tensor tensor = allocate(scope, arg, strided);
      upload(backend, tensor, arg.values());
      tensors.put(arg.name(), tensor);
    }
    return tensors;
  }

  static Map<String, int[]> run(String name, Case c, int threads, boolean strided, float fill) {
    try (Backend backend = TestBackends.open(name, threads);
        TensorScope scope = backend.scope("test")) {
      Map<String, Tensor> tensors = tensors(backend, scope, c, strided);
      for (Arg arg : c.args()) {
        if (arg.role() == Role.OUT && arg.type() == DType.F32) {
          backend.fill(tensors.get(arg.name()), fill);
        }
        if (arg.role() == Role.ADD && fill == 0f) {
          backend.fill(tensors.get(arg.name()), 0f);
        }
      }
      c.run(backend, tensors);
      return download(backend, tensors);
    }
  }

  static void assertSame(Map<String, int[]> expected, Map<String, int[]> actual) {
    expected.forEach((name, bits) -> assertArrayEquals(bits, actual.get(name), name));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void stridesThreadsAndGarbageChangeNoBit(String name, Case c) {
    Map<String, int[]> expected = run(name, c, 1, false, 5f);
    assertSame(expected, run(name, c, 1, false, Float.NaN));
    assertSame(expected, run(name, c, 2, true, 5f));
    assertSame(expected, run(name, c, 3, true, Float.NaN));
    for (Arg arg : c.args()) {
      int[] after = expected.get(arg.name());
      if (after != null) {
        boolean same = Arrays.equals(arg.bits(), after);
        assertEquals(arg.role() == Role.IN, same, arg.name() + " is " + arg.role());
      }
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void sumsAreAddedToWhatIsThere(String name, Case c) {
    Map<String, int[]> fresh = run(name, c, 2, false, 0f);
    Map<String, int[]> added = run(name, c, 2, false, 5f);
    for (Arg arg : c.args()) {
      if (arg.role() == Role.ADD) {
        int[] base = arg.bits();
        for (int i = 0; i < base.length; i++) {
          double sum = arg.number(fresh.get(arg.name())[i]);
          // Sums of fixed-point numbers are exact.
          boolean exact = arg.type() == DType.FIXED;
          assertEquals(
              arg.number(base[i]) + sum,
              arg.number(added.get(arg.name())[i]),
              exact ? 0 : Tolerances.OUTPUT * (1 + Math.abs(sum)),
              arg.name() + "[" + i + "]");
        }
      } else {
        assertArrayEquals(fresh.get(arg.name()), added.get(arg.name()), arg.name());
      }
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void everyWrongTensorIsNamedBeforeAnythingIsWritten(String name, Case c) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      for (Arg arg : c.args()) {
        long[] rows = arg.dims().clone();
        rows[0]++;
        long[] columns = arg.dims().clone();
        columns[columns.length - 1]++;
        DType other = arg.type() == DType.I32 ? DType.F32 : DType.I32;
        if (!arg.anyRows()) {
          refused(backend, scope, c, arg, scope.allocate(arg.type(), rows));
        }
        if (!c.op().equals("dropout") && !c.op().equals("sumOfSquares")) {
          refused(backend, scope, c, arg, scope.allocate(arg.type(), columns));
        }
        refused(backend, scope, c, arg, scope.allocate(other, arg.dims()));
        if (!arg.optional()) {
          refused(backend, scope, c, arg, null);
        }
      }
    }
  }

  static Stream<Case> all() {
    return KernelCases.all().stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("all")
  void theReferenceDoesNotComputeOnBfloat16(Case c) {
    try (Backend backend = TestBackends.reference();
        TensorScope scope = backend.scope("test")) {
      for (Arg arg : c.args()) {
        String message = refused(backend, scope, c, arg, scope.allocate(DType.BF16, arg.dims()));
        assertTrue(message.contains("does not compute on BF16"), message);
      }
    }
  }

  private static String refused(Backend backend, TensorScope scope, Case c, Arg arg, Tensor wrong) {
    Map<String, Tensor> tensors = tensors(backend, scope, c, false);
    tensors.put(arg.name(), wrong);
    if (wrong != null) {
      switch (wrong.type()) {
        case I32 -> backend.upload(wrong, new int[(int) wrong.elements()]);
        case I8 -> backend.upload(wrong, new byte[(int) wrong.elements()]);
        default -> backend.fill(wrong, 2f);
      }
    }
    Map<String, int[]> before = download(backend, tensors);
    String what = c.op() + " with " + arg.name() + " " + wrong;
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> c.run(backend, tensors), what);
    String message = error.getMessage();
    assertTrue(message.startsWith(c.op() + ": "), what + ": " + message);
    if (wrong == null || wrong.type() != arg.type()) {
      assertTrue(message.contains(" " + arg.name() + " "), what + ": " + message);
    } else {
      // Where two tensors contradict each other, either may be named, with both shapes.
      long[] dims = wrong.shape().dims();
      boolean named =
          message.contains(" " + arg.name() + " ") && message.contains(Shape.of(dims).toString());
      boolean contradicted = Arrays.stream(dims).anyMatch(dim -> message.contains("" + dim));
      assertTrue(named || contradicted, what + ": " + message);
      assertTrue(message.contains(", got "), what + ": " + message);
    }
    assertSame(before, download(backend, tensors));
    return message;
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void freedTensorsAreRefused(String name, Case c) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      for (Arg arg : c.args()) {
        Map<String, Tensor> tensors = tensors(backend, scope, c, false);
        TensorScope child = scope.child("short-lived");
        tensors.put(arg.name(), allocate(child, arg, false));
        child.close();
        IllegalStateException error =
            assertThrows(
                IllegalStateException.class,
                () -> c.run(backend, tensors),
                c.op() + " with freed " + arg.name());
        assertTrue(error.getMessage().contains("test/short-lived"), error.getMessage());
      }
      assertNotEquals(0, backend.liveBytes());
    }
  }
}
