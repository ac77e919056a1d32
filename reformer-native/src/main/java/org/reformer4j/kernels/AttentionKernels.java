package org.reformer4j.kernels;

import java.util.List;
import org.reformer4j.api.AttentionArguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** LSH and local attention, forward and backward. */
final class AttentionKernels {
  /** Queries of a block of the kernels. */
  private static final int TILE = 16;

  /** Most bytes of results of rounds that wait for the last round. */
  private static final long GROUP_BYTES = 256L << 20;

  private final Device device;
  private final DeviceMemory memory;
  private final SequenceTable sequences;

  AttentionKernels(Device device, DeviceMemory memory, SequenceTable sequences) {
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

    /** Places of a round that is laid out in runs, 0 where it is not. */
    long runPlaces() {
      return shared() && hash.usesRuns() ? RunLayout.of(spec, hash).places() : 0;
    }

    int distinct() {
      return shared() && hash.distinct() ? 1 : 0;
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
    int fast = fast(in, List.of(in.queries(), in.keys(), in.values()));
    int group = headsPerGroup(in, fast != 0);
    long bytes =
        device
            .kernels()
            .rf_attention_workspace(
                all.batch(), all.stride(), spec.heads(), spec.headSize(), in.rounds(), group, fast);
    long workspace = memory.workspace(bytes);
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
                in.runPlaces(),
                in.distinct(),
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
                spec.windowChunks(),
                spec.causal() ? 1 : 0,
                in.shared() ? 1 : 0,
                in.tiles(),
                group,
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                dropout.firstRow(),
                workspace);
    device.check(in.op(), in.queries(), status);
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
    AttentionArguments.attentionGradients(
        in.op(), in.shared(), dQueries, dKeys, dValues, dOut, out, in.spec());
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
    int fast = fast(in, List.of(in.queries(), in.keys(), in.values(), dOut));
    int group = headsPerGroup(in, fast != 0);
    long bytes =
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
                fast);
    long workspace = memory.workspace(bytes);
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
                in.runPlaces(),
                in.distinct(),
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
                spec.windowChunks(),
                spec.causal() ? 1 : 0,
                in.shared() ? 1 : 0,
                in.tiles(),
                group,
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                dropout.firstRow(),
                workspace);
    device.check(in.op(), in.queries(), status);
  }

  /**
   * Returns whether the fast kernels take an attention whose rows are aligned.
   *
   * @param type of the activations
   */
  boolean fast(AttentionSpec spec, DType type) {
    return device
            .kernels()
            .rf_attention_fast(
                device.context(),
                ElementTypes.code(type),
                spec.headSize(),
                spec.chunkLength(),
                0,
                0)
        != 0;
  }

  /** Whether the fast kernels take it: 0, or what the functions for workspaces want to know. */
  private int fast(Inputs in, List<Tensor> tensors) {
    long alignment = 0;
    for (Tensor tensor : tensors) {
      alignment |= memory.address(tensor) | tensor.rowStride() * tensor.type().bytes();
    }
    AttentionSpec spec = in.spec();
    return device
        .kernels()
        .rf_attention_fast(
            device.context(),
            ElementTypes.code(in.queries()),
            spec.headSize(),
            spec.chunkLength(),
            in.distinct(),
            alignment);
  }

  /**
   * As many heads at a time as keep the results of their rounds small: two bfloat16 rows per token
   * and round before the last, or, off the tensor cores, three of floats per token and round.
   */
  private static int headsPerGroup(Inputs in, boolean fast) {
    AttentionSpec spec = in.spec();
    long rows = (long) spec.headSize() * spec.sequences().rows();
    long perHead = Math.max(1, fast ? 4L * rows * (in.rounds() - 1) : 12L * rows * in.rounds());
    return (int) Math.max(1, Math.min(spec.heads(), GROUP_BYTES / perHead));
  }

  private void check(Inputs in, Tensor out, Tensor lse) {
    if (in.shared()) {
      AttentionArguments.attentionOrder(in.op(), in.order(), in.spec(), in.hash());
    }
    device
        .arguments()
        .attention(
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
    device.requireHeadSize(in.op(), in.spec().headSize());
  }
}
