package org.reformer4j.cuda;

import java.util.List;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** LSH and local attention, forward and backward. */
final class AttentionKernels {
  private static final int MAX_HEAD_SIZE = 128;

  /** Queries of a block of the kernels. */
  private static final int TILE = 16;

  /** Most bytes of results of rounds that wait for the last round. */
  private static final long GROUP_BYTES = 256L << 20;

  private final Device device;
  private final CudaMemory memory;
  private final SequenceTable sequences;

  AttentionKernels(Device device, CudaMemory memory, SequenceTable sequences) {
    this.device = device;
    this.memory = memory;
    this.sequences = sequences;
  }

  /** What is attended to; without buckets in the order of the tokens. */
  record Inputs(
      String op,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor buckets,
      Tensor keyMask,
      Tensor headMask,
      AttentionSpec spec,
      HashSpec hash) {
    static Inputs lsh(
        String op,
        Tensor queryKeys,
        Tensor values,
        Tensor buckets,
        Tensor keyMask,
        Tensor headMask,
        AttentionSpec spec,
        HashSpec hash) {
      return new Inputs(op, queryKeys, queryKeys, values, buckets, keyMask, headMask, spec, hash);
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

    /** Whether tokens must be sorted: some sequence is longer than a chunk. */
    boolean sorted() {
      boolean longer = false;
      for (int b = 0; b < spec.sequences().batch(); b++) {
        longer |= !spec.isShort(b);
      }
      return shared() && longer;
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
    long keyMask = memory.addressOrNull(in.keyMask());
    long headMask = memory.addressOrNull(in.headMask());
    AttentionSpec spec = in.spec();
    Sequences all = spec.sequences();
    Dropout dropout = spec.dropout();
    long table = sequences.address(in.op(), all);
    long bytes =
        device
            .kernels()
            .rf_attention_workspace(
                all.batch(), all.stride(), spec.heads(), spec.headSize(), in.rounds());
    Workspace workspace = workspace(in, bytes);
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
                workspace.order(),
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
                headsPerGroup(in),
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                0,
                workspace.address());
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
    long keyMask = memory.addressOrNull(in.keyMask());
    long headMask = memory.addressOrNull(in.headMask());
    AttentionSpec spec = in.spec();
    Sequences all = spec.sequences();
    Dropout dropout = spec.dropout();
    long table = sequences.address(in.op(), all);
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
                headsPerGroup(in),
                fast(in, dOut));
    Workspace workspace = workspace(in, bytes);
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
                workspace.order(),
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
                headsPerGroup(in),
                dropout.stream().seed(),
                (int) dropout.stream().step(),
                ResidualKernels.counter(dropout.stream()),
                (int) dropout.threshold(),
                dropout.scale(),
                0,
                workspace.address());
    device.check(in.op(), in.queries().toString(), status);
  }

  /** Whether the kernels for tensor cores take it: 0 or 1. */
  private int fast(Inputs in, Tensor dOut) {
    long alignment = 0;
    for (Tensor tensor : List.of(in.queries(), in.keys(), in.values(), dOut)) {
      alignment |= memory.address(tensor) | tensor.rowStride() * tensor.type().bytes();
    }
    AttentionSpec spec = in.spec();
    return device
        .kernels()
        .rf_attention_fast(
            ElementTypes.code(in.queries()), spec.headSize(), spec.chunkLength(), alignment);
  }

  /** As many heads at a time as keep the results of their rounds small: 4 K bytes per token. */
  private static int headsPerGroup(Inputs in) {
    AttentionSpec spec = in.spec();
    long perHead = Math.max(1, 4L * spec.headSize() * spec.sequences().rows() * (in.rounds() - 1));
    return (int) Math.max(1, Math.min(spec.heads(), GROUP_BYTES / perHead));
  }

  private static void check(Inputs in, Tensor out, Tensor lse) {
    if (in.shared()) {
      KernelArguments.attentionBuckets(in.op(), in.buckets(), in.spec(), in.hash());
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

  /** Scratch of the kernels at an address, and the sorted order, 0 for the order of the tokens. */
  private record Workspace(long address, long order) {}

  private Workspace workspace(Inputs in, long bytes) {
    if (!in.sorted()) {
      return new Workspace(memory.workspace(bytes), 0);
    }
    Sequences all = in.spec().sequences();
    int perSequence = in.spec().heads() * in.rounds();
    long segments = (long) all.batch() * perSequence;
    long front = aligned(bytes);
    long orderBytes = aligned(segments * all.stride() * Integer.BYTES);
    long sortBytes =
        device.kernels().rf_lsh_sort_workspace(segments, all.stride(), in.hash().buckets());
    long fromBuckets = memory.address(in.buckets());
    long address = memory.workspace(front + orderBytes + sortBytes);
    long order = address + front;
    device.check(
        in.op(),
        in.buckets().toString(),
        device
            .kernels()
            .rf_lsh_sort(
                device.context(),
                order,
                fromBuckets,
                segments,
                all.stride(),
                in.hash().buckets(),
                sequences.lengths(in.op(), all),
                perSequence,
                order + orderBytes));
    return new Workspace(address, order);
  }

  private static long aligned(long bytes) {
    return bytes + 255 & ~255L;
  }
}
