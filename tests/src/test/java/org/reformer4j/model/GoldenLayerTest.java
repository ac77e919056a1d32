package org.reformer4j.model;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.SelfAttention.Attended;
import org.reformer4j.model.SelfAttention.Projected;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.SafeTensors;
import org.reformer4j.tests.Golden;
import org.reformer4j.tests.TestBackends;
import org.reformer4j.tests.Tolerances;

/** Single attention layers against Hugging Face: output, buckets, all gradients. */
class GoldenLayerTest {
  static Stream<Arguments> cases() {
    return TestBackends.with(Golden.cases("lsh-layer-", "local-layer-"));
  }

  @AfterAll
  static void report() {
    System.out.println(Golden.summary("GoldenLayerTest"));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agrees(String backendName, String name) {
    ReformerConfig config = ConfigJson.read(Golden.root().resolve(name).resolve("config.json"));
    SafeTensors weights =
        SafeTensors.open(Golden.root().resolve(name).resolve("model.safetensors"));
    SafeTensors io = Golden.io(name);
    try (Backend backend = TestBackends.open(backendName);
        TensorScope scope = backend.scope("test")) {
      ParameterSet parameters = new ParameterSet();
      SelfAttention attention =
          config.attnLayers().get(0) == AttentionKind.LSH
              ? new LshSelfAttention(config, 0, "", parameters)
              : new LocalSelfAttention(config, 0, "", parameters);
      parameters.allocate(scope, DType.F32);
      parameters.allocateGradients(scope, backend);
      for (Parameter parameter : parameters.all()) {
        backend.upload(parameter.value(), weights.floats(parameter.name()));
      }
      Shape shape = io.entry("input.hidden_states").shape();
      Tensor x = upload(backend, scope, io, "input.hidden_states", config.hiddenSize());
      Tensor dOut = upload(backend, scope, io, "input.grad_output", config.allHeadSize());
      AtomicReference<int[]> buckets = new AtomicReference<>();
      Pass pass = pass(config, backend, scope, io, shape, recorder(backend, buckets));
      List<Parameter> factors = attention.projections();
      Projected projected =
          Projected.of(
              factors.stream().map(w -> Projection.forward(backend, scope, x, w)).toList());
      Tensor order = attention.sorts(pass) ? attention.order(projected, scope, pass) : null;
      Attended attended =
          new Attended(
              scope.allocate(DType.F32, x.rows(), config.allHeadSize()),
              Projection.logSumExp(scope, attention.spec(pass)));
      Heads heads = Heads.all(config);
      attention.attend(attended, projected, order, heads, pass);
      List<Tensor> gradients =
          attention.backward(dOut, attended, projected, order, heads, scope, pass).all();
      Tensor dX = scope.allocate(DType.F32, x.rows(), x.columns());
      for (int i = 0; i < factors.size(); i++) {
        float beta = i == 0 ? 0f : 1f;
        Projection.backward(backend, dX, beta, gradients.get(i), x, factors.get(i));
      }

      int[] positions = io.contains("compare.positions") ? io.ints("compare.positions") : null;
      Golden.assertClose(
          "output",
          io.doubles("expected64.output"),
          backend.download(attended.out()),
          Tolerances.OUTPUT,
          positions);
      Golden.assertGradient(
          "hidden_states", io.doubles("grad64.hidden_states"), backend.download(dX));
      for (Parameter parameter : parameters.all()) {
        Golden.assertGradient(
            parameter.name(),
            io.doubles("grad64." + parameter.name()),
            backend.download(parameter.gradient()));
      }
      Assertions.assertEquals(io.contains("buckets.0"), order != null, "sorts");
      if (order != null) {
        compareBuckets(buckets.get(), io, pass);
      }
      Golden.countCase();
    }
  }

  private static Trace recorder(Backend backend, AtomicReference<int[]> target) {
    return new Trace() {
      @Override
      public void buckets(int layer, Tensor buckets, HashSpec hash) {
        target.set(backend.downloadInts(buckets));
      }
    };
  }

  private static Pass pass(
      ReformerConfig config,
      Backend backend,
      TensorScope scope,
      SafeTensors io,
      Shape shape,
      Trace trace) {
    Tensor mask = null;
    if (io.contains("input.attention_mask")) {
      mask = scope.allocate(DType.I32, shape.dim(0), shape.dim(1));
      backend.upload(mask, io.ints("input.attention_mask"));
    }
    Tensor headMask = null;
    if (io.contains("input.head_mask")) {
      headMask = scope.allocate(DType.F32, config.numAttentionHeads());
      backend.upload(headMask, io.floats("input.head_mask"));
    }
    int length = (int) shape.dim(1);
    Map<Integer, float[]> rotations = new HashMap<>();
    if (io.contains("rotations.0")) {
      rotations.put(0, io.floats("rotations.0"));
    }
    return new Pass(
        backend,
        scope,
        DType.F32,
        Sequences.full((int) shape.dim(0), length),
        mask,
        headMask,
        new HashSpec(config.numHashes(), config.bucketFactors(length)),
        Rotations.given(rotations),
        false,
        0,
        0,
        MemoryPlan.NOTHING,
        Pass.Pieces.DEFAULT,
        trace);
  }

  private static Tensor upload(
      Backend backend, TensorScope scope, SafeTensors io, String name, long columns) {
    Tensor tensor = scope.allocate(DType.F32, io.entry(name).shape().rows(), columns);
    backend.upload(tensor, io.floats(name));
    return tensor;
  }

  private static void compareBuckets(int[] values, SafeTensors io, Pass pass) {
    int length = pass.sequences().stride();
    boolean padded = pass.keyMask() != null;
    long perRound = pass.hash().buckets() + (padded ? 1 : 0);
    long[] numbered = new long[values.length];
    for (int i = 0; i < values.length; i++) {
      numbered[i] = values[i] + i / length % pass.hash().rounds() * perRound;
    }
    Golden.assertEqual("buckets.0", io.longs("buckets.0"), numbered);
  }
}
