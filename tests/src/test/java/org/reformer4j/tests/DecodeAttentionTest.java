package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/** Attention of single queries to listed rows against the formula in double. */
class DecodeAttentionTest {
  private static final int CACHE = 37;

  static Stream<Arguments> cases() {
    return TestBackends.with(
        Stream.of(
                new DecodeSpec(1, 1, 8, 1, 1, false),
                new DecodeSpec(3, 2, 5, 1, 19, false),
                new DecodeSpec(2, 3, 16, 2, 24, true),
                new DecodeSpec(2, 2, 64, 4, 130, true),
                new DecodeSpec(1, 2, 128, 1, 300, true))
            .toList());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isSoftmaxOverTheListedRows(String name, DecodeSpec spec) {
    Random random = new Random(spec.hashCode());
    int width = spec.width();
    float[] queries = normals(random, spec.batch() * width);
    float[] keys = normals(random, CACHE * width);
    float[] values = normals(random, CACHE * width);
    float[] mask = normals(random, spec.heads());
    int[] rows = random.ints(spec.entries(), -5, CACHE).map(r -> Math.max(-1, r)).toArray();
    int[] own = random.ints(spec.batch(), 0, CACHE).toArray();
    int perHead = spec.rounds() * spec.window();
    for (int i = 0; i < rows.length; i++) {
      int b = i / (perHead * spec.heads());
      if (i / perHead == spec.batch() * spec.heads() - 1) {
        // The last head of the last sequence finds nothing but its own token.
        rows[i] = i % 2 == 0 ? own[b] : -1;
      } else if (i % 7 == 0) {
        rows[i] = own[b];
      }
    }
    if (!spec.shared()) {
      own = null;
    }
    double[] expected = new double[spec.batch() * width];
    for (int i = 0; i < spec.batch() * spec.heads(); i++) {
      attend(expected, queries, keys, values, rows, own, mask, spec, i);
    }
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      // All floats are views of wider matrices.
      Tensor out = scope.allocate(DType.F32, spec.batch(), width + 3).columns(3, width);
      backend.decodeAttention(
          out,
          upload(backend, scope, queries, spec.batch()),
          upload(backend, scope, keys, CACHE),
          upload(backend, scope, values, CACHE),
          ints(backend, scope, rows),
          own == null ? null : ints(backend, scope, own),
          upload(backend, scope, mask, 1).reshape(1, spec.heads()),
          spec);
      Golden.assertClose("out", expected, backend.download(out), 5e-6, null);
    }
  }

  private static void attend(
      double[] out,
      float[] queries,
      float[] keys,
      float[] values,
      int[] rows,
      int[] own,
      float[] mask,
      DecodeSpec spec,
      int sequenceAndHead) {
    int b = sequenceAndHead / spec.heads();
    int h = sequenceAndHead % spec.heads();
    int size = spec.headSize();
    int perHead = spec.rounds() * spec.window();
    double total = 0;
    double[] sums = new double[size];
    for (int i = 0; i < perHead; i++) {
      int row = rows[sequenceAndHead * perHead + i];
      if (row < 0 || own != null && row == own[b]) {
        continue;
      }
      int key = row * spec.width() + h * size;
      double product = 0;
      double square = 0;
      for (int d = 0; d < size; d++) {
        product += (double) queries[b * spec.width() + h * size + d] * keys[key + d];
        square += (double) keys[key + d] * keys[key + d];
      }
      double rms = Math.sqrt(square / size + 1e-6);
      double weight = Math.exp(product / ((spec.shared() ? rms : 1) * Math.sqrt(size)));
      total += weight;
      for (int d = 0; d < size; d++) {
        sums[d] += weight * values[key + d];
      }
    }
    for (int d = 0; d < size; d++) {
      double lonely = own == null ? 0 : values[own[b] * spec.width() + h * size + d];
      out[b * spec.width() + h * size + d] = mask[h] * (total > 0 ? sums[d] / total : lonely);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void refusesRowsThatAreNotThere(String name, DecodeSpec spec) {
    try (Backend backend = TestBackends.open(name);
        TensorScope scope = backend.scope("test")) {
      Tensor query = upload(backend, scope, new float[spec.batch() * spec.width()], spec.batch());
      Tensor cache = upload(backend, scope, new float[CACHE * spec.width()], CACHE);
      for (int wrong : new int[] {-2, CACHE}) {
        int last = (int) spec.entries() - 1;
        int[] rows = IntStream.rangeClosed(0, last).map(i -> i == last ? wrong : -1).toArray();
        Tensor list = ints(backend, scope, rows);
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class,
                () -> backend.decodeAttention(query, query, cache, cache, list, null, null, spec));
        assertTrue(e.getMessage().contains("rows[" + last + "]"), e.getMessage());
      }
    }
  }

  private static float[] normals(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Tensor upload(Backend backend, TensorScope scope, float[] values, int rows) {
    int columns = values.length / rows;
    Tensor tensor = scope.allocate(DType.F32, rows, columns + 4).columns(4, columns);
    backend.upload(tensor, values);
    return tensor;
  }

  private static Tensor ints(Backend backend, TensorScope scope, int[] values) {
    Tensor tensor = scope.allocate(DType.I32, values.length);
    backend.upload(tensor, values);
    return tensor;
  }
}
