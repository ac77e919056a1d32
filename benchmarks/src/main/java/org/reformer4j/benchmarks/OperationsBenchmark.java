package org.reformer4j.benchmarks;

import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.reformer4j.api.Activation;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Backends;

/**
 * Operations of a layer, one at a time: hidden 256, 4 heads of 64, feed-forward 1024, chunks of 64,
 * causal, one sequence.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class OperationsBenchmark {
  private static final int HIDDEN = 256;
  private static final int HEADS = 4;
  private static final int INNER = 1024;
  private static final int CHUNK = 64;
  private static final float EPSILON = 1e-12f;

  /** Where to compute. */
  @Param({"cpu", "reference"})
  public String backend;

  /** Tokens T. */
  @Param({"4096"})
  public int tokens;

  /** Hash rounds R. */
  @Param({"1", "4"})
  public int rounds;

  /** Threads, 0 for one per processor. */
  @Param({"0"})
  public int threads;

  private Backend device;
  private TensorScope scope;
  private AttentionSpec attention;
  private HashSpec hash;
  private FeedForwardSpec feedForward;
  private Sequences sequences;
  private Tensor x;
  private Tensor y;
  private Tensor out;
  private Tensor dX;
  private Tensor dY;
  private Tensor projection;
  private Tensor dProjection;
  private Tensor w1;
  private Tensor w2;
  private Tensor dW1;
  private Tensor dW2;
  private Tensor b1;
  private Tensor dB1;
  private Tensor gain;
  private Tensor bias;
  private Tensor dGain;
  private Tensor dBias;
  private Tensor rotations;
  private Tensor buckets;
  private Tensor order;
  private Tensor lse;

  /** Makes all tensors and what backward passes need of the forward. */
  @Setup
  public void open() {
    BackendOptions options = BackendOptions.defaults();
    device =
        Backends.open(backend, threads == 0 ? options : options.withThreads(threads)).backend();
    scope = device.scope("benchmark");
    sequences = Sequences.of(tokens, new int[] {tokens}, new int[] {tokens});
    attention =
        new AttentionSpec(sequences, HEADS, HIDDEN / HEADS, CHUNK, 1, 0, true, Dropout.NONE);
    hash = new HashSpec(rounds, List.of(Math.max(2, 2 * (tokens / CHUNK / 2))));
    feedForward = new FeedForwardSpec(Activation.GELU, 1024, Dropout.NONE);
    x = normal(tokens, HIDDEN);
    y = normal(tokens, HIDDEN);
    out = normal(tokens, HIDDEN);
    dX = normal(tokens, HIDDEN);
    dY = normal(tokens, HIDDEN);
    projection = normal(HIDDEN, HIDDEN);
    dProjection = normal(HIDDEN, HIDDEN);
    w1 = normal(INNER, HIDDEN);
    w2 = normal(HIDDEN, INNER);
    dW1 = normal(INNER, HIDDEN);
    dW2 = normal(HIDDEN, INNER);
    b1 = normal(INNER);
    dB1 = normal(INNER);
    gain = normal(HIDDEN);
    bias = normal(HIDDEN);
    dGain = normal(HIDDEN);
    dBias = normal(HIDDEN);
    int columns = rounds * hash.rotationColumns();
    rotations = scope.allocate(DType.I8, HEADS, columns, HIDDEN / HEADS);
    byte[] random = new byte[Math.toIntExact(rotations.elements())];
    new Random(2).nextBytes(random);
    device.upload(rotations, random);
    buckets = scope.allocate(DType.I32, 1, HEADS, rounds, tokens);
    order = scope.allocate(DType.I32, 1, HEADS, rounds, tokens);
    lse = scope.allocate(DType.F32, 1, HEADS, tokens);
    hash();
    sort();
    lshAttention();
  }

  /** Frees everything. */
  @TearDown
  public void close() {
    scope.close();
    device.close();
  }

  private Tensor normal(long... dims) {
    Tensor tensor = scope.allocate(DType.F32, dims);
    float[] values = new float[Math.toIntExact(tensor.elements())];
    Random random = new Random(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    device.upload(tensor, values);
    return tensor;
  }

  /** A projection: [T, 256] times [256, 256] transposed. */
  @Benchmark
  public void projection() {
    device.gemm(out, x, false, projection, true, 1f, 0f);
    device.synchronize();
  }

  /** Gradient of a projection's weight, added. */
  @Benchmark
  public void projectionGradient() {
    device.gemm(dProjection, dY, true, x, false, 1f, 1f);
    device.synchronize();
  }

  /** Feed-forward. */
  @Benchmark
  public void feedForward() {
    device.feedForward(out, x, w1, b1, w2, feedForward);
    device.synchronize();
  }

  /** Its gradient, with the output recomputed. */
  @Benchmark
  public void feedForwardBackward() {
    device.feedForwardBackward(out, dX, dW1, dB1, dW2, dY, x, w1, b1, w2, feedForward);
    device.synchronize();
  }

  /** Residual step and the norm of the next branch. */
  @Benchmark
  public void residualNorm() {
    device.residualNorm(out, x, y, null, 1, Dropout.NONE, gain, bias, EPSILON);
    device.synchronize();
  }

  /** Gradient of the norm. */
  @Benchmark
  public void layerNormBackward() {
    device.layerNormBackward(dX, dGain, dBias, dY, y, gain, EPSILON);
    device.synchronize();
  }

  /** Bucket numbers, in integers. */
  @Benchmark
  public void hash() {
    device.lshBuckets(buckets, y, rotations, null, attention, hash);
    device.synchronize();
  }

  /** Positions sorted by bucket. */
  @Benchmark
  public void sort() {
    device.lshSort(order, buckets, sequences, hash);
    device.synchronize();
  }

  /** LSH attention. */
  @Benchmark
  public void lshAttention() {
    device.lshAttention(out, lse, y, dY, order, null, null, attention, hash);
    device.synchronize();
  }

  /** Its gradient. */
  @Benchmark
  public void lshAttentionBackward() {
    device.lshAttentionBackward(dX, x, dY, out, lse, y, dY, order, null, null, attention, hash);
    device.synchronize();
  }

  /** Local attention. */
  @Benchmark
  public void localAttention() {
    device.localAttention(out, lse, x, y, dY, null, null, attention);
    device.synchronize();
  }
}
