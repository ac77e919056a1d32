package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Rows that are written where a table says. */
class StoreRowsTest {
  private static final int ROWS = 23;

  /**
   * Rows of views whose strides and first columns decide how many elements move at a time.
   *
   * @param type of the elements
   * @param columns C
   * @param gap elements before the columns of a view
   * @param count N
   */
  record Case(DType type, int columns, int gap, int count) {}

  static Stream<Arguments> cases() {
    return TestBackends.with(
        Stream.of(DType.F32, DType.BF16)
            .flatMap(
                type ->
                    Stream.of(
                        new Case(type, 1, 0, 1),
                        new Case(type, 64, 0, 5),
                        new Case(type, 64, 8, ROWS),
                        new Case(type, 62, 1, 4),
                        new Case(type, 1030, 3, 7),
                        new Case(type, 8, 4, 0)))
            .toList());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void writesTheRowsAndNoOthers(String name, Case c) {
    Random random = new Random(c.hashCode());
    // Multiples of 1/8 below 16 are bfloat16 numbers.
    int width = c.gap + c.columns + 2;
    float[] cache = eighths(random, ROWS * width);
    float[] source = eighths(random, c.count * (c.columns + c.gap));
    List<Integer> shuffled = new ArrayList<>(IntStream.range(0, ROWS).boxed().toList());
    Collections.shuffle(shuffled, random);
    int[] rows = shuffled.stream().limit(c.count).mapToInt(Integer::intValue).toArray();
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor target = scope.allocate(c.type, ROWS, width);
      backend.upload(target, cache);
      Tensor given = scope.allocate(c.type, c.count, c.columns + c.gap);
      backend.upload(given, source);
      Tensor places = scope.allocate(DType.I32, c.count);
      backend.upload(places, rows);
      backend.storeRows(target.columns(c.gap, c.columns), places, given.columns(c.gap, c.columns));
      for (int i = 0; i < c.count; i++) {
        for (int j = 0; j < c.columns; j++) {
          cache[rows[i] * width + c.gap + j] = source[i * (c.columns + c.gap) + c.gap + j];
        }
      }
      assertArrayEquals(cache, backend.download(target));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void refusesRowsThatAreNotThere(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor target = scope.allocate(DType.F32, ROWS, 4);
      Tensor source = scope.allocate(DType.F32, 2, 4);
      Tensor rows = scope.allocate(DType.I32, 2);
      float[] before = eighths(new Random(1), ROWS * 4);
      backend.upload(target, before);
      backend.fill(source, 99);
      for (int wrong : new int[] {-1, ROWS}) {
        backend.upload(rows, new int[] {0, wrong});
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class, () -> backend.storeRows(target, rows, source));
        assertTrue(e.getMessage().contains("rows[1] must be in 0..22"), e.getMessage());
      }
      assertArrayEquals(before, backend.download(target));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void refusesOtherShapesAndTypes(String name) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor target = scope.allocate(DType.F32, ROWS, 4);
      Tensor rows = scope.allocate(DType.I32, 2);
      for (Tensor wrong :
          List.of(
              scope.allocate(DType.BF16, 2, 4),
              scope.allocate(DType.F32, 2, 5),
              scope.allocate(DType.F32, 3, 4))) {
        assertThrows(IllegalArgumentException.class, () -> backend.storeRows(target, rows, wrong));
      }
      assertThrows(IllegalArgumentException.class, () -> backend.storeRows(rows, rows, rows));
    }
  }

  static List<String> backends() {
    return TestBackends.names();
  }

  private static float[] eighths(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (random.nextInt(255) - 127) / 8f;
    }
    return values;
  }
}
