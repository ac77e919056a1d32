package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** What memory of each element type takes, gives back, and refuses. */
class KernelTypesTest {
  private static final float INFINITY = Float.POSITIVE_INFINITY;

  static List<String> backends() {
    return TestBackends.names();
  }

  static Stream<Arguments> realTypes() {
    return TestBackends.with(List.of(DType.F32, DType.BF16, DType.FIXED));
  }

  /** A [3, 4] view with gaps, its surroundings filled with 7. */
  private static Tensor view(Backend backend, TensorScope scope, DType type) {
    Tensor all = scope.allocate(type, 5, 9);
    if (type == DType.I8) {
      backend.upload(all, new byte[45]);
    } else if (type == DType.I32) {
      backend.upload(all, new int[45]);
    } else {
      backend.fill(all, 7f);
    }
    return all.rows(1, 3).columns(2, 4);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void valuesAreRoundedAndSaturated(String name) {
    float[] values = {
      1f,
      -2.5f,
      1f + 0x1p-8f,
      1f + 3 * 0x1p-8f,
      0x1p-21f,
      3 * 0x1p-21f,
      2048f,
      -2048f,
      1e30f,
      INFINITY,
      -INFINITY,
      Float.NaN
    };
    float[] asBfloat16 = {
      1f,
      -2.5f,
      1f,
      1f + 0x1p-6f,
      0x1p-21f,
      3 * 0x1p-21f,
      2048f,
      -2048f,
      0x1.94p99f,
      INFINITY,
      -INFINITY,
      Float.NaN
    };
    int one = 1 << 20;
    int[] asFixed = {
      one,
      -5 * one / 2,
      one + (1 << 12),
      one + 3 * (1 << 12),
      0,
      2,
      Integer.MAX_VALUE,
      Integer.MIN_VALUE,
      Integer.MAX_VALUE,
      Integer.MAX_VALUE,
      Integer.MIN_VALUE,
      0
    };
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      for (Tensor half :
          List.of(scope.allocate(DType.BF16, 12), view(backend, scope, DType.BF16))) {
        backend.upload(half, values);
        assertArrayEquals(asBfloat16, backend.download(half));
      }
      for (Tensor fixed :
          List.of(scope.allocate(DType.FIXED, 12), view(backend, scope, DType.FIXED))) {
        backend.upload(fixed, values);
        assertArrayEquals(asFixed, backend.downloadInts(fixed));
        float[] floats = backend.download(fixed);
        for (int i = 0; i < 12; i++) {
          assertEquals((float) (asFixed[i] * 0x1p-20), floats[i]);
        }
      }
      Tensor scalar = scope.allocate(DType.BF16, 1);
      for (int i = 0; i < 12; i++) {
        backend.fill(scalar, values[i]);
        assertEquals(asBfloat16[i], backend.download(scalar)[0]);
        Tensor fixed = scope.allocate(DType.FIXED, 1);
        backend.fill(fixed, values[i]);
        assertEquals(asFixed[i], backend.downloadInts(fixed)[0]);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("realTypes")
  void viewsAreFilledUploadedAndCopiedAlone(String name, DType type) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor all = scope.allocate(type, 3, 4);
      backend.fill(all, 0.5f);
      backend.fill(all.columns(1, 2), 1.5f);
      backend.upload(all.rows(2, 1).columns(0, 3), new float[] {3, -4, 5});
      float[] expected = {.5f, 1.5f, 1.5f, .5f, .5f, 1.5f, 1.5f, .5f, 3, -4, 5, .5f};
      assertArrayEquals(expected, backend.download(all));
      Tensor view = view(backend, scope, type);
      backend.copy(view, all);
      assertArrayEquals(expected, backend.download(view));
      Tensor back = scope.allocate(type, 2, 3);
      backend.copy(back, view.rows(1, 2).columns(1, 3));
      assertArrayEquals(new float[] {1.5f, 1.5f, .5f, -4, 5, .5f}, backend.download(back));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void floatsAreRoundedAsBfloat16Defines(String name) {
    float[] values = {
      1f,
      -0f,
      1 + 0x1p-8f,
      1 + 3 * 0x1p-8f,
      -1.003f,
      3.4e38f,
      1e-40f,
      Float.NaN,
      0.1f,
      7e-3f,
      Float.NEGATIVE_INFINITY,
      12345.678f
    };
    float[] expected = new float[12];
    for (int i = 0; i < 12; i++) {
      expected[i] = Bfloat16.fromBits(Bfloat16.toBits(values[i]));
    }
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor floats = view(backend, scope, DType.F32);
      backend.upload(floats, values);
      Tensor all = scope.allocate(DType.BF16, 4, 6);
      backend.fill(all, 5f);
      Tensor rounded = all.rows(1, 3).columns(1, 4);
      backend.round(rounded, floats);
      float[] actual = backend.download(rounded);
      for (int i = 0; i < 12; i++) {
        assertEquals(
            Float.floatToRawIntBits(expected[i]), Float.floatToRawIntBits(actual[i]), "at " + i);
      }
      float[] around = backend.download(all);
      assertEquals(5f, around[5], "before");
      assertEquals(5f, around[6], "left");
      assertEquals(5f, around[11], "right");
      refused("round: source must be F32", () -> backend.round(rounded, rounded));
      refused("round: target must be BF16", () -> backend.round(floats, floats));
      refused("= [3, 4]", () -> backend.round(all, floats));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void integersOfStridedViewsAreExact(String name) {
    int[] integers = {0, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, 1 << 24, (1 << 24) + 1};
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor view = view(backend, scope, DType.I32).rows(0, 2).columns(0, 3);
      backend.upload(view, integers);
      assertArrayEquals(integers, backend.downloadInts(view));
      Tensor dense = scope.allocate(DType.I32, 2, 3);
      backend.copy(dense, view);
      assertArrayEquals(integers, backend.downloadInts(dense));
      Tensor bytes = view(backend, scope, DType.I8);
      backend.upload(bytes, new byte[] {1, -1, 127, -128, 5, 6, 7, 8, 9, 10, 11, 12});
      backend.copy(scope.allocate(DType.I8, 3, 4), bytes);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void arraysOfAnotherTypeOrLengthAreRefused(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      for (DType type : DType.values()) {
        Tensor tensor = scope.allocate(type, 2, 3);
        boolean real = type == DType.F32 || type == DType.BF16 || type == DType.FIXED;
        for (int extra = real ? 1 : 0; extra < 2; extra++) {
          float[] floats = new float[6 + extra];
          refused("upload: " + type + "[2, 3]", () -> backend.upload(tensor, floats));
        }
        for (int extra = type == DType.I32 ? 1 : 0; extra < 2; extra++) {
          int[] ints = new int[6 + extra];
          refused("upload: " + type + "[2, 3]", () -> backend.upload(tensor, ints));
        }
        for (int extra = type == DType.I8 ? 1 : 0; extra < 2; extra++) {
          byte[] bytes = new byte[6 + extra];
          refused("upload: " + type + "[2, 3]", () -> backend.upload(tensor, bytes));
        }
        if (!real) {
          refused("download: " + type + "[2, 3]", () -> backend.download(tensor));
          refused("fill: " + type + "[2, 3]", () -> backend.fill(tensor, 1f));
        }
        if (type != DType.I32 && type != DType.FIXED) {
          refused("downloadInts: " + type + "[2, 3]", () -> backend.downloadInts(tensor));
        }
        for (DType other : DType.values()) {
          if (other != type) {
            Tensor wrong = scope.allocate(other, 2, 3);
            refused("must be " + type, () -> backend.copy(wrong, tensor));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyTypeIsCountedByItsSize(String name) {
    try (Backend backend = TestBackends.open(name)) {
      for (DType type : DType.values()) {
        try (TensorScope scope = backend.scope("test")) {
          scope.allocate(type, 10, 10);
          assertEquals(100L * type.bytes(), scope.liveBytes(), type.name());
          assertEquals(100L * type.bytes(), backend.liveBytes(), type.name());
        }
        assertEquals(0, backend.liveBytes());
      }
    }
  }

  private static void refused(String words, Runnable call) {
    IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(error.getMessage().contains(words), error.getMessage());
  }
}
