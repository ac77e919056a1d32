package org.reformer4j.reference;

import java.util.List;
import java.util.function.BooleanSupplier;
import org.reformer4j.api.AdafactorSpec;
import org.reformer4j.api.AdamWSpec;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.EmbeddingSpec;
import org.reformer4j.api.ExclusiveUse;
import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The plain-Java backend. Results are the same bits for any number of threads, chunk sizes, and
 * batch neighbours, on any machine whose Java runs the same {@link Math} functions.
 */
public final class ReferenceBackend implements Backend {
  static final String NAME = "reference";

  private final Workers workers;
  private final ArrayMemory memory;
  private final ExclusiveUse use = new ExclusiveUse();
  private String place = "";
  private boolean closed;

  /**
   * Opens the backend.
   *
   * @param options threads and memory limit
   */
  public ReferenceBackend(BackendOptions options) {
    this.workers = new Workers(options.threads());
    this.memory = new ArrayMemory(options.memoryLimitBytes());
  }

  Workers workers() {
    return workers;
  }

  /** Runs one operation of an open backend, by one thread at a time. */
  private void exclusive(String op, Runnable body) {
    use.run(
        op,
        () -> {
          if (closed) {
            throw new IllegalStateException(op + ": this backend is closed; open a new one");
          }
          body.run();
        });
  }

  /** Takes a step of a residual stream, which is false if the stream left its range. */
  private void step(String op, Tensor acc, BooleanSupplier step) {
    exclusive(
        op,
        () -> {
          if (!step.getAsBoolean()) {
            throw FixedPoint.leftRange(op, place, acc.toString());
          }
        });
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String description() {
    return "plain Java " + Runtime.version().feature() + ", " + workers.threads() + " threads";
  }

  @Override
  public void place(String now) {
    place = now;
  }

  @Override
  public void synchronize() {
    // Every operation has finished when it returns.
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    exclusive("close", () -> {});
    closed = true;
    workers.close();
  }

  @Override
  public TensorScope scope(String name) {
    return memory.scope(name);
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
    return memory.availableBytes();
  }

  @Override
  public void resetPeak() {
    memory.resetPeak();
  }

  @Override
  public void upload(Tensor target, float[] source) {
    exclusive("upload", () -> Elements.upload(target, source));
  }

  @Override
  public void upload(Tensor target, int[] source) {
    exclusive("upload", () -> Elements.upload(target, source));
  }

  @Override
  public void upload(Tensor target, byte[] source) {
    exclusive("upload", () -> Elements.upload(target, source));
  }

  @Override
  public float[] download(Tensor source) {
    float[] target = new float[Math.toIntExact(source.elements())];
    exclusive("download", () -> Elements.download(target, source));
    return target;
  }

  @Override
  public int[] downloadInts(Tensor source) {
    int[] target = new int[Math.toIntExact(source.elements())];
    exclusive("downloadInts", () -> Elements.download(target, source));
    return target;
  }

  @Override
  public void fill(Tensor target, float value) {
    exclusive("fill", () -> Elements.fill(target, value));
  }

  @Override
  public void copy(Tensor target, Tensor source) {
    exclusive("copy", () -> Elements.copy(target, source));
  }

  @Override
  public void round(Tensor target, Tensor source) {
    exclusive("round", () -> Elements.round(target, source));
  }

  @Override
  public void gemm(Tensor c, Tensor a, boolean ta, Tensor b, boolean tb, float alpha, float beta) {
    exclusive("gemm", () -> Gemm.run(workers, c, a, ta, b, tb, alpha, beta));
  }

  @Override
  public void addBias(Tensor x, Tensor bias) {
    exclusive("addBias", () -> Residual.addBias(workers, x, bias));
  }

  @Override
  public void biasGradient(Tensor dBias, Tensor dX) {
    exclusive("biasGradient", () -> Residual.biasGradient(workers, dBias, dX));
  }

  @Override
  public void dropout(Tensor x, Dropout dropout) {
    exclusive("dropout", () -> Residual.dropout(workers, x, dropout));
  }

  @Override
  public void embed(
      Tensor out,
      Tensor ids,
      Tensor positions,
      Tensor tokens,
      List<Tensor> tables,
      EmbeddingSpec spec) {
    exclusive("embed", () -> Embedding.forward(workers, out, ids, positions, tokens, tables, spec));
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
        () -> Embedding.backward(workers, dTokens, dTables, dOut, ids, positions, spec));
  }

  @Override
  public void layerNorm(Tensor out, Tensor x, Tensor gain, Tensor bias, float epsilon) {
    exclusive("layerNorm", () -> LayerNorm.forward(workers, out, x, gain, bias, epsilon));
  }

  @Override
  public void layerNormBackward(
      Tensor dX, Tensor dGain, Tensor dBias, Tensor dOut, Tensor x, Tensor gain, float epsilon) {
    exclusive(
        "layerNormBackward",
        () -> LayerNorm.backward(workers, dX, dGain, dBias, dOut, x, gain, epsilon));
  }

  @Override
  public void residual(Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout) {
    step("residual", acc, () -> Residual.run(workers, acc, y, bias, sign, dropout));
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
    step(
        "residualNorm",
        acc,
        () -> ResidualNorm.run(workers, out, acc, y, bias, sign, dropout, gain, normBias, epsilon));
  }

  @Override
  public void residualInverse(
      Tensor acc, Tensor dY, Tensor dBias, Tensor y, Tensor bias, Tensor dAcc, Dropout dropout) {
    step(
        "residualInverse",
        acc,
        () -> ResidualInverse.run(workers, acc, dY, dBias, y, bias, dAcc, dropout));
  }

  @Override
  public void residualBackward(Tensor dY, Tensor dBias, Tensor dAcc, Dropout dropout) {
    exclusive("residualBackward", () -> Residual.backward(workers, dY, dBias, dAcc, dropout));
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
        "lshBuckets",
        () -> LshBuckets.run(workers, buckets, queryKeys, rotations, keyMask, spec, hash));
  }

  @Override
  public void lshSort(Tensor order, Tensor buckets, Sequences sequences, HashSpec hash) {
    exclusive("lshSort", () -> LshSort.run(workers, order, buckets, sequences, hash));
  }

  @Override
  public void lshRuns(
      Tensor runs, Tensor order, Tensor buckets, AttentionSpec spec, HashSpec hash) {
    exclusive("lshRuns", () -> LshRuns.run(workers, runs, order, buckets, spec, hash));
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
    exclusive(
        "lshAttention",
        () ->
            LshAttention.forward(
                workers, out, lse, queryKeys, values, order, keyMask, headMask, spec, hash));
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
    exclusive(
        "lshAttentionBackward",
        () ->
            LshAttention.backward(
                workers,
                dQueryKeys,
                dValues,
                dOut,
                out,
                lse,
                queryKeys,
                values,
                order,
                keyMask,
                headMask,
                spec,
                hash));
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
    exclusive(
        "localAttention",
        () ->
            LocalAttention.forward(
                workers, out, lse, queries, keys, values, keyMask, headMask, spec));
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
    exclusive(
        "localAttentionBackward",
        () ->
            LocalAttention.backward(
                workers, dQueries, dKeys, dValues, dOut, out, lse, queries, keys, values, keyMask,
                headMask, spec));
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
        () -> DecodeAttention.run(workers, out, queries, keys, values, rows, own, headMask, spec));
  }

  @Override
  public void storeRows(Tensor target, Tensor rows, Tensor source) {
    exclusive("storeRows", () -> StoreRows.run(target, rows, source));
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
            LshDecodeLists.run(
                listed, places, buckets, ranks, counts, hashed, own, lengths, spec, hash));
  }

  @Override
  public void feedForward(
      Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec) {
    exclusive("feedForward", () -> FeedForward.forward(this, out, x, w1, b1, w2, spec));
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
        () -> FeedForward.backward(this, out, dX, dW1, dB1, dW2, dOut, x, w1, b1, w2, spec));
  }

  @Override
  public void crossEntropy(
      Tensor loss, Tensor dLogits, Tensor logits, Tensor targets, int ignoreIndex, float scale) {
    exclusive(
        "crossEntropy",
        () -> CrossEntropy.run(workers, loss, dLogits, logits, targets, ignoreIndex, scale));
  }

  @Override
  public double sumOfSquares(Tensor x) {
    double[] result = new double[1];
    exclusive("sumOfSquares", () -> result[0] = SumOfSquares.run(workers, x));
    return result[0];
  }

  @Override
  public void adamW(
      Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWSpec spec) {
    exclusive("adamW", () -> AdamW.run(workers, parameter, gradient, first, second, spec));
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
        () -> Adafactor.run(workers, parameter, gradient, rowMoments, columnMoments, spec));
  }
}
