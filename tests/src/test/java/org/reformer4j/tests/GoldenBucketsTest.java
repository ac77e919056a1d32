package org.reformer4j.tests;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Shape;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.checkpoint.ConfigJson;
import org.reformer4j.model.checkpoint.SafeTensors;

/**
 * Projection and hash of recorded layers against Hugging Face's buckets, also on partial backends.
 */
class GoldenBucketsTest {
  static Stream<Arguments> cases() {
    return TestBackends.with(
        Golden.cases("lsh-layer-").stream()
            .filter(name -> Golden.io(name).contains("buckets.0"))
            .toList());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agree(String backendName, String name) {
    ReformerConfig config = ConfigJson.read(Golden.root().resolve(name).resolve("config.json"));
    SafeTensors weights =
        SafeTensors.open(Golden.root().resolve(name).resolve("model.safetensors"));
    SafeTensors io = Golden.io(name);
    Shape shape = io.entry("input.hidden_states").shape();
    int batch = (int) shape.dim(0);
    int length = (int) shape.dim(1);
    HashSpec hash = new HashSpec(config.numHashes(), config.bucketFactors(length));
    AttentionSpec spec =
        new AttentionSpec(
            Sequences.full(batch, length),
            config.numAttentionHeads(),
            config.attentionHeadSize(),
            config.lshAttnChunkLength(),
            config.lshNumChunksBefore(),
            config.lshNumChunksAfter(),
            config.isDecoder(),
            Dropout.NONE);
    try (Backend backend = TestBackends.open(backendName);
        TensorScope scope = backend.scope("test")) {
      Tensor x = scope.allocate(DType.F32, shape.rows(), config.hiddenSize());
      Tensor weight = scope.allocate(DType.F32, spec.width(), config.hiddenSize());
      Tensor queryKeys = scope.allocate(DType.F32, shape.rows(), spec.width());
      float[] drawn = io.floats("rotations.0");
      Tensor rotations = scope.allocate(DType.F32, drawn.length);
      Tensor buckets = scope.allocate(DType.I32, batch, spec.heads(), hash.rounds(), length);
      Tensor mask = null;
      if (io.contains("input.attention_mask")) {
        mask = scope.allocate(DType.I32, batch, length);
        backend.upload(mask, io.ints("input.attention_mask"));
      }
      backend.upload(x, io.floats("input.hidden_states"));
      backend.upload(weight, weights.floats("query_key.weight"));
      backend.upload(rotations, drawn);
      backend.gemm(queryKeys, x, false, weight, true, 1f, 0f);
      backend.lshBuckets(buckets, queryKeys, rotations, mask, spec, hash);
      int[] values = backend.downloadInts(buckets);
      // Hugging Face numbers the buckets of all rounds through.
      long perRound = hash.buckets() + (mask == null ? 0 : 1);
      long[] numbered = new long[values.length];
      for (int i = 0; i < values.length; i++) {
        numbered[i] = values[i] + i / length % hash.rounds() * perRound;
      }
      Golden.assertEqual("buckets.0", io.longs("buckets.0"), numbered);
    }
  }
}
