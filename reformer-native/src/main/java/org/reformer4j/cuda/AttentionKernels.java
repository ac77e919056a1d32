package org.reformer4j.cuda;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** LSH and local attention, forward and backward. */
final class AttentionKernels {
  private static final int MAX_HEAD_SIZE = 128;

  /** Most bytes that partial results of rounds take, where one head needs no more. */
  private static final long ROUND_BYTES = 512L << 20;

  /** Queries of a block of the kernels. */
  private static final int TILE = 16;

  private final Device device;
  private final CudaMemory memory;
  private final SequenceTable sequences;

  AttentionKernels(Device device, CudaMemory memory, SequenceTable sequences) {
    this.device = device;
    this.memory = memory;
    this.sequences = sequences;
  }

  /** What is attended to; without an order as the tokens stand. */
  record Inputs(
      String op,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor order,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    static Inputs lsh(
        String op,
        Tensor queryKeys,
        Tensor values,
        Tensor order,
        Tensor keyMask,
        Tensor headMask,
        AttentionSpec spec,
        HashSpec hash) {
      return new Inputs(op, queryKeys, queryKeys, values, order, keyMask, headMask, spec, hash);
    }

    static Inputs local(
        String op,
        Tensor queries,
        Tensor keys,
        Tensor values,
        Tensor keyMask,
        Tensor headMask,
        AttentionSpec spec) {
      return new Inputs(op, queries, keys, values, null, keyMask, headMask, spec, null);
    }

    boolean shared() {
      return hash != null;
    }

    int rounds() {
      return shared() ? hash.rounds() : 1;
    }

    /** Most tiles of a sequence. */
    long tiles() {
      long most = 0;
      Sequences all = spec.sequences();
      for (int b = 0; b < all.batch(); b++) {
        int chunk = spec.isShort(b) ? all.length(b) : spec.chunkLength();
        long chunks = spec.isShort(b) ? 1 : (long) rounds() * all.slots(b) / chunk;
        most = Math.max(most, chunks * ((chunk + TILE - 1) / TILE));
      }
      return most;
    }
  }

  void forward(Inputs in, Tensor out, Tensor lse) {
    check(in, out, lse);
    Rows target = Rows.of(memory, out);
    long toLse = memory.address(lse);
    Rows q = Rows.of(memory, in.queries());
    Rows k = Rows.of(memory, in.keys());
    Rows v = Rows.of(memory, in.values());
    // Short sequences stand in one chunk; where all are, an order would only be in the way.
    long order = in.spec().allShort() ? 0 : memory.addressOrNull(in.order());
    long keyMask = memory.addressOrNull(in.keyMask());
    long headMask = memory.addressOrNull(in.headMask());
    AttentionSpec spec = in.spec();
    Sequences all = spec.sequences();
    Dropout dropout = spec.dropout();
    long table = sequences.address(in.op(), all);
    int fast = fast(spec, q, k, v, Rows.NONE);
    int group = headsPerGroup(in, 2L * spec.headSize() + Float.BYTES);
    long workspace =
        memory.workspace(
            device
                .kernels()
                .rf_attention_workspace(
                    all.batch(),
                    all.stride(),
                    spec.heads(),
                    spec.headSize(),
                    in.rounds(),
                    group,
                    fast));
    int status =
        device
            .kernels()
            .rf_attention(
                device.context(),
                target.address(),
                target.stride(),
                target.type(),
                toLse,
                q.address(),
                q.stride(),
                k.address(),
                k.stride(),
                v.address(),
                v.stride(),
                q.type(),
                order,
                table,
                keyMask,
                headMask,
                all.batch(),
                all.stride(),
                spec.heads(),
                spec.headSize(),
                in.rounds(),
                spec.chunkLength(),
                spec.chunksBefore(),
                1 + spec.chunksBefore() + spec.chunksAfter(),
                spec.causal() ? 1 : 0,
                in.shared() ? 1 : 0,
                in.tiles(),
                group,
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                0,
                workspace);
    device.check(in.op(), in.queries().toString(), status);
  }

  void backward(
      Inputs in,
      Tensor dQueries,
      Tensor dKeys,
      Tensor dValues,
      Tensor dOut,
      Tensor out,
      Tensor lse) {
    check(in, out, lse);
    KernelArguments.attentionGradients(
        in.op(), in.shared(), in.queries(), dQueries, dKeys, dValues, dOut, in.spec());
    Rows dQ = Rows.of(memory, dQueries);
    Rows dK = in.shared() ? Rows.NONE : Rows.of(memory, dKeys);
    Rows dV = Rows.of(memory, dValues);
    Rows dO = Rows.of(memory, dOut);
    Rows o = Rows.of(memory, out);
    long fromLse = memory.address(lse);
    Rows q = Rows.of(memory, in.queries());
    Rows k = Rows.of(memory, in.keys());
    Rows v = Rows.of(memory, in.values());
    // Short sequences stand in one chunk; where all are, an order would only be in the way.
    long order = in.spec().allShort() ? 0 : memory.addressOrNull(in.order());
    long keyMask = memory.addressOrNull(in.keyMask());
    long headMask = memory.addressOrNull(in.headMask());
    AttentionSpec spec = in.spec();
    Sequences all = spec.sequences();
    Dropout dropout = spec.dropout();
    long table = sequences.address(in.op(), all);
    int fast = fast(spec, q, k, v, dO);
    int group = headsPerGroup(in, 4L * spec.headSize());
    long workspace =
        memory.workspace(
            device
                .kernels()
                .rf_attention_backward_workspace(
                    all.batch(),
                    all.stride(),
                    spec.heads(),
                    spec.headSize(),
                    in.rounds(),
                    dO.type(),
                    group,
                    fast));
    int status =
        device
            .kernels()
            .rf_attention_backward(
                device.context(),
                dQ.address(),
                dQ.stride(),
                dK.address(),
                dK.stride(),
                dV.address(),
                dV.stride(),
                dO.address(),
                dO.stride(),
                o.address(),
                o.stride(),
                dO.type(),
                fromLse,
                q.address(),
                q.stride(),
                k.address(),
                k.stride(),
                v.address(),
                v.stride(),
                q.type(),
                order,
                table,
                keyMask,
                headMask,
                all.batch(),
                all.stride(),
                spec.heads(),
                spec.headSize(),
                in.rounds(),
                spec.chunkLength(),
                spec.chunksBefore(),
                1 + spec.chunksBefore() + spec.chunksAfter(),
                spec.causal() ? 1 : 0,
                in.shared() ? 1 : 0,
                in.tiles(),
                group,
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                0,
                workspace);
    device.check(in.op(), in.queries().toString(), status);
  }

  /**
   * Returns whether the tensor cores take an attention.
   *
   * @param type of the activations
   */
  boolean fast(AttentionSpec spec, DType type) {
    return device
            .kernels()
            .rf_attention_fast(ElementTypes.code(type), spec.headSize(), spec.chunkLength(), 0)
        != 0;
  }

  /** The same for rows in memory, of which the kernels ask more alignment: 0 or 1. */
  private int fast(AttentionSpec spec, Rows q, Rows k, Rows v, Rows dOut) {
    long alignment = 0;
    for (Rows rows : new Rows[] {q, k, v, dOut}) {
      alignment |= rows.address() | rows.stride() * Short.BYTES;
    }
    return device
        .kernels()
        .rf_attention_fast(q.type(), spec.headSize(), spec.chunkLength(), alignment);
  }

  /**
   * Heads whose partial results of rounds fit into {@link #ROUND_BYTES}, at least one.
   *
   * @param bytes of a token, head and round
   */
  private static int headsPerGroup(Inputs in, long bytes) {
    long perHead = in.spec().sequences().rows() * Math.max(1, in.rounds() - 1) * bytes;
    return (int) Math.max(1, Math.min(in.spec().heads(), ROUND_BYTES / perHead));
  }

  private static void check(Inputs in, Tensor out, Tensor lse) {
    if (in.shared()) {
      KernelArguments.attentionOrder(in.op(), in.order(), in.spec(), in.hash());
    }
    KernelArguments.F32_OR_BF16.attention(
        in.op(),
        in.shared(),
        out,
        lse,
        in.queries(),
        in.keys(),
        in.values(),
        in.keyMask(),
        in.headMask(),
        in.spec());
    if (in.spec().headSize() > MAX_HEAD_SIZE) {
      throw new IllegalArgumentException(
          in.op()
              + ": the cuda backend needs a head size K of at most "
              + MAX_HEAD_SIZE
              + ", got "
              + in.spec().headSize()
              + ": use the reference backend");
    }
  }
}
