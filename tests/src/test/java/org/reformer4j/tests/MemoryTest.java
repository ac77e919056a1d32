package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Backends;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.MemoryPolicy;
import org.reformer4j.model.Parameter;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;

/** What a step holds, counted by the scopes. */
class MemoryTest {
  static List<String> backends() {
    return TestBackends.names();
  }

  /** Returns the peak of a training step beyond parameters and gradients. */
  private static long peak(String name, ReformerConfig config, Batch batch) {
    return peak(name, config, batch, CallOptions.training(1, 1));
  }

  private static long peak(String name, ReformerConfig config, Batch batch, CallOptions call) {
    try (Backend backend = TestBackends.open(name);
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      return peak(backend, model, batch, call);
    }
  }

  private static long peak(Backend backend, ReformerModel model, Batch batch, CallOptions call) {
    model.enableTraining();
    long resident = backend.liveBytes();
    assertEquals(residentBytes(model), resident);
    backend.resetPeak();
    model.lossAndGradients(batch, call, 1f);
    assertEquals(resident, backend.liveBytes(), "live bytes after the step");
    return backend.peakBytes() - resident;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void peakDoesNotGrowWithDepth(String name) {
    Batch batch = TestModels.batch(2, 120, 1);
    long rounds = 2;
    long heads = 2;
    long bucketBytes = batch.rows() * heads * rounds * 4;
    long two = peak(name, TestModels.small(2).build(), batch) - bucketBytes;
    for (int layers : new int[] {6, 12, 24}) {
      long deep = peak(name, TestModels.small(layers).build(), batch) - layers / 2 * bucketBytes;
      System.out.printf(
          "MemoryTest: peak of a step beyond parameters, gradients and buckets: %d layers %d bytes,"
              + " 2 layers %d bytes%n",
          layers, deep, two);
      assertEquals(two, deep, 0.01 * two, layers + " layers");
    }
  }

  /** Orders of LSH layers, results of both branches, log-sum-exps: 2 heads, 2 rounds, 16 wide. */
  @ParameterizedTest
  @MethodSource("backends")
  void aLayerKeepsWhatItsPolicySays(String name) {
    Batch batch = TestModels.batch(2, 120, 1);
    long rows = batch.rows();
    long order = rows * 2 * 2 * 4;
    long feedForward = rows * 16 * 4;
    long attention = rows * (16 + 16 + 2) * 4;
    long[] twoLayers = {
      order, order, order + 2 * feedForward, order + 2 * feedForward + 2 * attention
    };
    for (int level = 0; level < 4; level++) {
      CallOptions call = CallOptions.training(1, 1).withMemory(MemoryPolicy.values()[level]);
      long two = peak(name, TestModels.small(2).build(), batch, call);
      for (int layers : new int[] {6, 12}) {
        long deep = peak(name, TestModels.small(layers).build(), batch, call);
        assertEquals((layers / 2 - 1) * twoLayers[level], deep - two, call.memory() + " " + layers);
      }
    }
  }

  /** Under any limit that holds a step at all, AUTO stays within it and keeps what fits. */
  @Test
  void automaticPoliciesUseTheMemoryThatIsLeft() {
    Batch batch = TestModels.batch(2, 120, 1);
    ReformerConfig config = TestModels.small(6).build();
    CallOptions least = CallOptions.training(1, 1);
    CallOptions most = least.withMemory(MemoryPolicy.KEEP_ATTENTION);
    CallOptions auto = least.withMemory(MemoryPolicy.AUTO);
    long low = peak("reference", config, batch, least);
    long high = peak("reference", config, batch, most);
    assertEquals(low, peak("reference", config, batch, auto), "AUTO without a limit");
    long before = 0;
    for (long extra = 0; before < high; extra += (high - low) / 7) {
      assertTrue(extra < 3 * high, "AUTO never keeps all: " + before + " of " + high);
      BackendOptions limited = new BackendOptions(1, residentBytes(config) + low + extra);
      try (Backend backend = Backends.open("reference", limited).backend();
          ReformerModel model = ReformerModel.create(config, backend, 1)) {
        long used = peak(backend, model, batch, auto);
        assertTrue(used <= low + extra && used >= before, used + " within " + (low + extra));
        before = used;
      }
    }
  }

  private static long residentBytes(ReformerConfig config) {
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.create(config, backend, 1)) {
      return residentBytes(model);
    }
  }

  /** Values and gradients, each beginning on a multiple of 8 elements. */
  private static long residentBytes(ReformerModel model) {
    long elements = 0;
    for (Parameter parameter : model.parameters().all()) {
      elements += (parameter.shape().elements() + 7) / 8 * 8;
    }
    return 2 * 4 * elements;
  }

  /** A pass without a way back keeps nothing, however deep it is. */
  @ParameterizedTest
  @MethodSource("backends")
  void evaluationKeepsNothing(String name) {
    long[] peaks = new long[2];
    for (int i = 0; i < 2; i++) {
      try (Backend backend = TestBackends.open(name);
          ReformerModel model =
              ReformerModel.create(TestModels.small(2 + 10 * i).build(), backend, 1)) {
        long resident = backend.liveBytes();
        backend.resetPeak();
        model.loss(TestModels.batch(2, 120, 1), CallOptions.EVALUATION);
        peaks[i] = backend.peakBytes() - resident;
      }
    }
    assertEquals(peaks[0], peaks[1]);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void logitsOfTheWholeSequenceNeverExist(String name) {
    int vocabulary = 4000;
    ReformerConfig config = TestModels.small(2).vocabSize(vocabulary).chunkSizeLmHead(16).build();
    Batch batch = TestModels.batch(1, 128, 1);
    long logits = 4L * batch.rows() * vocabulary;
    assertTrue(peak(name, config, batch) < logits / 3);
    assertTrue(
        peak(name, config.toBuilder().chunkSizeLmHead(0).build(), batch) > logits, "control");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void hiddenBlockOfTheWholeSequenceNeverExists(String name) {
    // Packed weights take room, too, but no more of it where there are more rows.
    int inner = 4000;
    ReformerConfig chunked =
        TestModels.small(2).feedForwardSize(inner).chunkSizeFeedForward(8).build();
    ReformerConfig whole = chunked.toBuilder().chunkSizeFeedForward(0).build();
    Batch few = TestModels.batch(1, 64, 1);
    Batch many = TestModels.batch(1, 128, 1);
    long hidden = 4L * (many.rows() - few.rows()) * inner;
    assertTrue(peak(name, chunked, many) - peak(name, chunked, few) < hidden / 3);
    assertTrue(peak(name, whole, many) - peak(name, whole, few) > hidden, "control");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void scopesCountAndFree(String name) {
    try (Backend backend = TestBackends.open(name)) {
      TensorScope parent = backend.scope("parent");
      parent.allocate(DType.F32, 10, 10);
      TensorScope child = parent.child("child");
      Tensor tensor = child.allocate(DType.I32, 5);
      assertEquals(420, parent.liveBytes());
      assertEquals(20, child.liveBytes());
      assertEquals(420, backend.liveBytes());
      child.close();
      assertEquals(400, parent.liveBytes());
      assertEquals(420, parent.peakBytes());
      IllegalStateException freed = assertThrows(IllegalStateException.class, tensor::storage);
      assertTrue(freed.getMessage().contains("parent/child"), freed.getMessage());
      TensorScope other = parent.child("other");
      other.allocate(DType.F32, 1);
      parent.close();
      parent.close();
      assertEquals(0, backend.liveBytes());
      assertThrows(IllegalStateException.class, () -> other.allocate(DType.F32, 1));
      assertThrows(IllegalStateException.class, () -> parent.child("late"));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void theLimitIsKeptAndExplained(String name) {
    try (Backend backend = Backends.open(name, new BackendOptions(1, 1000)).backend();
        TensorScope scope = backend.scope("small")) {
      scope.allocate(DType.F32, 100);
      OutOfDeviceMemoryException error =
          assertThrows(OutOfDeviceMemoryException.class, () -> scope.allocate(DType.F32, 200));
      assertTrue(error.getMessage().contains("800 bytes"), error.getMessage());
      assertTrue(error.getMessage().contains("400"), error.getMessage());
      scope.allocate(DType.F32, 150);
      assertThrows(OutOfDeviceMemoryException.class, () -> scope.allocate(DType.F32, 1L << 40));
    }
  }
}
