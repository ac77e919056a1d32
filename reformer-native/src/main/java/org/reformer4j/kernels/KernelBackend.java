package org.reformer4j.kernels;

import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DType;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.ExclusiveUse;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Recording;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.kernels.AttentionKernels.Inputs;

/**
 * A device behind a kernel library: an NVIDIA GPU with one stream, or the processor. On a GPU
 * operations are queued and return at once; only downloads, {@link #sumOfSquares} and {@link
 * #synchronize} wait, large uploads, and operations that get indices which were not uploaded as
 * they are. On the processor an operation returns when it is done.
 */
final class KernelBackend implements Backend {
  private final Device device;
  private final ExclusiveUse use = new ExclusiveUse();
  private final DeviceMemory memory;
  private final Transfers transfers;
  private final StreamRange range;
  private final Recordings recordings;
  private final Products products;
  private final ResidualKernels residuals;
  private final SequenceTable sequences;
  private final FeedForwards feedForwards;
  private final LshKernels lsh;
  private final AttentionKernels attention;
  private final DecodeKernels decoding;
  private final EmbeddingKernels embeddings;
  private final LossKernels losses;
  private final OptimizerKernels optimizers;
  private final String description;
  private final boolean offersRecordings;
  private boolean closed;

  /** What devices have of their own. */
  interface Parts {
    Products products(Device device, DeviceMemory memory);

    FeedForwards feedForwards(Device device, DeviceMemory memory, Products products);
  }

  private KernelBackend(Device device, Parts parts, BackendOptions options) {
    this.device = device;
    this.description = device.describe();
    this.offersRecordings = options.recordings();
    this.memory = new DeviceMemory(device, use, options.memoryLimitBytes());
    this.products = parts.products(device, memory);
    this.transfers = new Transfers(device, memory);
    this.range = new StreamRange(device, transfers);
    this.residuals = new ResidualKernels(device, memory, range);
    this.sequences = new SequenceTable(device, transfers);
    this.recordings = new Recordings(device, use, memory, range, sequences);
    this.lsh = new LshKernels(device, memory, sequences);
    this.attention = new AttentionKernels(device, memory, sequences);
    this.feedForwards = parts.feedForwards(device, memory, products);
    IndexCheck indices = new IndexCheck(device, memory, transfers);
    this.decoding = new DecodeKernels(device, memory, indices);
    this.embeddings = new EmbeddingKernels(device, memory, indices);
    this.losses = new LossKernels(device, memory, indices);
    this.optimizers = new OptimizerKernels(device, memory, transfers);
  }

  /** Takes over a device, which is closed with the backend or where it cannot be made. */
  static KernelBackend open(Device device, Parts parts, BackendOptions options) {
    KernelBackend backend = null;
    try {
      backend = new KernelBackend(device, parts, options);
      return backend;
    } finally {
      if (backend == null) {
        device.close();
      }
    }
  }

  /** Runs one operation on a device that is there, by one thread at a time. */
  private void exclusive(String op, Runnable body) {
    result(
        op,
        () -> {
          body.run();
          return null;
        });
  }

  /** The same for an operation with a result. */
  private <T> T result(String op, Supplier<T> body) {
    return use.call(
        op,
        () -> {
          device.begin(op);
          return body.get();
        });
  }

  /** The same for one that no recording can hold. */
  private <T> T unrecorded(String op, Supplier<T> body) {
    return result(
        op,
        () -> {
          device.requireUnrecorded(op);
          return body.get();
        });
  }

  private void upload(Runnable body) {
    unrecorded(
        "upload",
        () -> {
          body.run();
          return null;
        });
  }

  /** The same for one that waits for the device, so that what went wrong there is known. */
  private <T> T awaited(String op, Supplier<T> body) {
    return unrecorded(
        op,
        () -> {
          T value = body.get();
          range.check(op);
          return value;
        });
  }

  @Override
  public String name() {
    return device.backend();
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public double multiplyAdds(long rounds) {
    return result("multiplyAdds", () -> device.multiplyAdds(rounds));
  }

  @Override
  public String attentionPath(AttentionSpec spec, DType type) {
    return result(
        "attentionPath", () -> attention.fast(spec, type) ? device.fastPath() : "generic");
  }

  @Override
  public Set<DType> activationTypes() {
    return device.arguments().activationTypes();
  }

  @Override
  public void place(String place) {
    range.place(place);
  }

  @Override
  public boolean records() {
    return offersRecordings && device.queues();
  }

  @Override
  public Recording record(Runnable operations) {
    return device.queues()
        ? unrecorded("record", () -> recordings.record(operations))
        : Backend.super.record(operations);
  }

  @Override
  public void synchronize() {
    awaited(
        "synchronize",
        () -> {
          device.synchronize("synchronize");
          return null;
        });
  }

  @Override
  public void close() {
    use.run("close", this::release);
  }

  private void release() {
    if (closed) {
      return;
    }
    device.requireUnrecorded("close");
    closed = true;
    try {
      recordings.close();
      long left = memory.close();
      if (left > 0) {
        System.getLogger(KernelBackend.class.getName())
            .log(
                System.Logger.Level.WARNING,
                "the {0} backend was closed while scopes held {1} bytes: close them first",
                name(),
                left);
      }
      range.close();
      sequences.close();
      products.close();
    } finally {
      transfers.close();
      device.close();
    }
  }

  @Override
  public TensorScope scope(String name) {
    return new TensorScope(name, memory);
  }

  @Override
  public long liveBytes() {
    return memory.liveBytes();
  }

  @Override
  public long peakBytes() {
    return memory.peakBytes();
  }

  @Override
  public long availableBytes() {
    return unrecorded("availableBytes", memory::availableBytes);
  }

  @Override
  public void resetPeak() {
    use.run(
        "resetPeak",
        () -> {
          device.requireUnrecorded("resetPeak");
          memory.resetPeak();
        });
  }

  @Override
  public void upload(Tensor target, float[] source) {
    upload(() -> transfers.upload(target, source));
  }

  @Override
  public void upload(Tensor target, int[] source) {
    upload(() -> transfers.upload(target, source));
  }

  @Override
  public void upload(Tensor target, byte[] source) {
    upload(() -> transfers.upload(target, source));
  }

  @Override
  public float[] download(Tensor source) {
    return awaited("download", () -> transfers.download(source));
  }

  @Override
  public int[] downloadInts(Tensor source) {
    return awaited("downloadInts", () -> transfers.downloadInts(source));
  }

  @Override
  public void fill(Tensor target, float value) {
    exclusive("fill", () -> transfers.fill(target, value));
  }

  @Override
  public void copy(Tensor target, Tensor source) {
    exclusive("copy", () -> transfers.copy(target, source));
  }

  @Override
  public void round(Tensor target, Tensor source) {
    exclusive("round", () -> residuals.round(target, source));
  }

  @Override
  public void gemm(Tensor c, Tensor a, boolean ta, Tensor b, boolean tb, float alpha, float beta) {
    exclusive("gemm", () -> products.gemm(c, a, ta, b, tb, alpha, beta));
  }

  @Override
  public void addBias(Tensor x, Tensor bias) {
    exclusive("addBias", () -> residuals.addBias(x, bias));
  }

  @Override
  public void biasGradient(Tensor dBias, Tensor dX) {
    exclusive("biasGradient", () -> residuals.biasGradient(dBias, dX));
  }

  @Override
  public void dropout(Tensor x, Dropout dropout) {
    exclusive("dropout", () -> residuals.dropout(x, dropout));
  }

  @Override
  public void layerNorm(Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon) {
    exclusive("layerNorm", () -> residuals.layerNorm(out, x, gain, bias, epsilon));
  }

  @Override
  public void layerNormBackward(
      Tensor dX, Tensor dGain, Tensor dBias, Tensor dOut, Tensor x, Tensor gain, float epsilon) {
    exclusive(
        "layerNormBackward",
        () -> residuals.layerNormBackward(dX, dGain, dBias, dOut, x, gain, epsilon));
  }

  @Override
  public void residual(Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout) {
    exclusive("residual", () -> residuals.residual(acc, y, bias, sign, dropout));
  }

  @Override
  public void residualNorm(
      Tensor out,
      Tensor acc,
      Tensor y,
      Tensor bias,
      int sign,
      Dropout dropout,
      Tensor gain,
      Tensor normBias,
      float epsilon) {
    exclusive(
        "residualNorm",
        () -> residuals.residualNorm(out, acc, y, bias, sign, dropout, gain, normBias, epsilon));
  }

  @Override
  public void residualInverse(
      Tensor acc, Tensor dY, Tensor dBias, Tensor y, Tensor bias, Tensor dAcc, Dropout dropout) {
    exclusive(
        "residualInverse", () -> residuals.residualInverse(acc, dY, dBias, y, bias, dAcc, dropout));
  }

  @Override
  public void residualBackward(Tensor dY, Tensor dBias, Tensor dAcc, Dropout dropout) {
    exclusive("residualBackward", () -> residuals.residualBackward(dY, dBias, dAcc, dropout));
  }

  @Override
  public void decodeAttention(
      Tensor out,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor rows,
      Tensor own,
      Tensor headMask,
      DecodeSpec spec) {
    exclusive(
        "decodeAttention",
        () -> decoding.decodeAttention(out, queries, keys, values, rows, own, headMask, spec));
  }

  @Override
  public void storeRows(Tensor target, Tensor rows, Tensor source) {
    exclusive("storeRows", () -> decoding.storeRows(target, rows, source));
  }

  @Override
  public void lshDecodeLists(
      Tensor listed,
      Tensor places,
      Tensor buckets,
      Tensor ranks,
      Tensor counts,
      Tensor hashed,
      Tensor own,
      Tensor lengths,
      AttentionSpec spec,
      HashSpec hash) {
    exclusive(
        "lshDecodeLists",
        () ->
            decoding.lshDecodeLists(
                listed, places, buckets, ranks, counts, hashed, own, lengths, spec, hash));
  }

  @Override
  public void feedForward(
      Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec) {
    exclusive("feedForward", () -> feedForwards.feedForward(out, x, w1, b1, w2, spec));
  }

  @Override
  public void feedForwardBackward(
      Tensor out,
      Tensor dX,
      Tensor dW1,
      Tensor dB1,
      Tensor dW2,
      Tensor dOut,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2,
      FeedForwardSpec spec) {
    exclusive(
        "feedForwardBackward",
        () -> feedForwards.feedForwardBackward(out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2, spec));
  }

  @Override
  public void lshBuckets(
      Tensor buckets,
      Tensor queryKeys,
      Tensor rotations,
      Tensor keyMask,
      AttentionSpec spec,
      HashSpec hash) {
    exclusive(
        "lshBuckets", () -> lsh.lshBuckets(buckets, queryKeys, rotations, keyMask, spec, hash));
  }

  @Override
  public void lshAttention(
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshAttention";
    Inputs in = Inputs.lsh(op, queryKeys, values, order, keyMask, headMask, spec, hash);
    exclusive(op, () -> attention.forward(in, out, lse));
  }

  @Override
  public void lshAttentionBackward(
      Tensor dQueryKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queryKeys,
      Tensor values,
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshAttentionBackward";
    Inputs in = Inputs.lsh(op, queryKeys, values, order, keyMask, headMask, spec, hash);
    exclusive(op, () -> attention.backward(in, dQueryKeys, dQueryKeys, dValues, dOut, out, lse));
  }

  @Override
  public void localAttention(
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    String op = "localAttention";
    Inputs in = Inputs.local(op, queries, keys, values, keyMask, headMask, spec);
    exclusive(op, () -> attention.forward(in, out, lse));
  }

  @Override
  public void localAttentionBackward(
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec) {
    String op = "localAttentionBackward";
    Inputs in = Inputs.local(op, queries, keys, values, keyMask, headMask, spec);
    exclusive(op, () -> attention.backward(in, dQueries, dKeys, dValues, dOut, out, lse));
  }

  @Override
  public void lshSort(Tensor order, Tensor buckets, Sequences sequences, HashSpec hash) {
    exclusive("lshSort", () -> lsh.lshSort(order, buckets, sequences, hash));
  }

  @Override
  public void lshRuns(
      Tensor runs, Tensor order, Tensor buckets, AttentionSpec spec, HashSpec hash) {
    exclusive("lshRuns", () -> lsh.lshRuns(runs, order, buckets, spec, hash));
  }

  @Override
  public void crossEntropy(
      Tensor loss, Tensor dLogits, Tensor logits, Tensor targets, int ignoreIndex, float scale) {
    exclusive(
        "crossEntropy",
        () -> losses.crossEntropy(loss, dLogits, logits, targets, ignoreIndex, scale));
  }

  @Override
  public double sumOfSquares(Tensor x) {
    return awaited("sumOfSquares", () -> optimizers.sumOfSquares(x));
  }

  @Override
  public void adamW(
      Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWSpec spec) {
    exclusive("adamW", () -> optimizers.adamW(parameter, gradient, first, second, spec));
  }

  @Override
  public void adafactor(
      Tensor parameter,
      Tensor gradient,
      Tensor rowMoments,
      Tensor columnMoments,
      AdafactorSpec spec) {
    exclusive(
        "adafactor",
        () -> optimizers.adafactor(parameter, gradient, rowMoments, columnMoments, spec));
  }

  @Override
  public void embed(
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    exclusive("embed", () -> embeddings.embed(out, ids, positions, tokens, tables, spec));
  }

  @Override
  public void embedBackward(
      Tensor dTokens,
      List<Tensor> dTables,
      Tensor dOut,
      Tensor ids,
      Tensor positions,
      EmbeddingSpec spec) {
    exclusive(
        "embedBackward",
        () -> embeddings.embedBackward(dTokens, dTables, dOut, ids, positions, spec));
  }
}
