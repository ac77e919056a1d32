package org.reformer4j.cuda;

import org.reformer4j.api.Arguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Bucket numbers, and the order of the tokens by them. */
final class LshKernels {
  private static final int MAX_HEAD_SIZE = 128;

  private final Device device;
  private final CudaMemory memory;
  private final Transfers transfers;

  LshKernels(Device device, CudaMemory memory, Transfers transfers) {
    this.device = device;
    this.memory = memory;
    this.transfers = transfers;
  }

  void lshBuckets(
      Tensor buckets,
      Tensor queryKeys,
      Tensor rotations,
      Tensor keyMask,
      AttentionSpec spec,
      HashSpec hash) {
    Sequences sequences = spec.sequences();
    String op = "lshBuckets";
    int columns = hash.rounds() * hash.rotationColumns();
    Arguments.flat(
        op,
        "buckets",
        buckets,
        DType.I32,
        "[B, H, R, T]",
        sequences.rows() * spec.heads() * hash.rounds());
    Arguments.matrix(
        op, "queryKeys", queryKeys, DType.F32, "[N, H*K]", sequences.rows(), spec.width());
    String letters = "[H, K, R*columns] or [H, R*columns, K]";
    Arguments.oneOf(op, "rotations", rotations, letters, DType.F32, DType.I8);
    boolean integer = rotations.type() == DType.I8;
    Arguments.flat(
        op,
        "rotations",
        rotations,
        rotations.type(),
        integer ? "[H, R*columns, K]" : "[H, K, R*columns]",
        (long) spec.width() * columns);
    if (spec.headSize() > MAX_HEAD_SIZE) {
      throw new IllegalArgumentException(
          op
              + ": the cuda backend needs a head size K of at most "
              + MAX_HEAD_SIZE
              + ", got "
              + spec.headSize()
              + ": use the reference backend with F32 rotations");
    }
    if (keyMask != null) {
      Arguments.flat(op, "keyMask", keyMask, DType.I32, "[B, T]", sequences.rows());
    }
    int[] factors = hash.factors().stream().mapToInt(Integer::intValue).toArray();
    Rows x = Rows.of(memory, queryKeys);
    Rows rotation = Rows.of(memory, rotations);
    long toBuckets = memory.address(buckets);
    long mask = memory.addressOrNull(keyMask);
    int status =
        device
            .kernels()
            .rf_lsh_hash(
                device.context(),
                toBuckets,
                x.address(),
                x.stride(),
                x.type(),
                rotation.address(),
                rotation.type(),
                mask,
                lengths(op, sequences),
                sequences.batch(),
                sequences.stride(),
                spec.heads(),
                spec.headSize(),
                hash.rounds(),
                factors,
                factors.length);
    device.check(op, queryKeys.toString(), status);
  }

  /** Returns the lengths on the device, or 0 where every sequence fills its rows. */
  private long lengths(String op, Sequences sequences) {
    int[] lengths = new int[sequences.batch()];
    boolean ragged = false;
    for (int b = 0; b < lengths.length; b++) {
      lengths[b] = sequences.length(b);
      ragged |= lengths[b] < sequences.stride();
    }
    if (!ragged) {
      return 0;
    }
    long address = memory.workspace((long) lengths.length * Integer.BYTES);
    transfers.upload(op, address, lengths);
    return address;
  }

  void lshSort(Tensor order, Tensor buckets, HashSpec hash) {
    String op = "lshSort";
    Arguments.typed(op, "buckets", buckets, DType.I32, "[B, H, R, T]");
    Arguments.flat(op, "buckets", buckets, DType.I32, "[B, H, R, T]", buckets.elements());
    if (buckets.rows() % hash.rounds() != 0) {
      throw new IllegalArgumentException(
          op
              + ": buckets must be I32 [B, H, R, T] with R = "
              + hash.rounds()
              + " hash rounds, got "
              + buckets);
    }
    long length = buckets.columns();
    Arguments.matrix(op, "order", order, DType.I32, "[B, H, R, T]", buckets.rows(), length);
    Arguments.flat(op, "order", order, DType.I32, "[B, H, R, T]", buckets.elements());
    long segments = buckets.rows();
    long toOrder = memory.address(order);
    long fromBuckets = memory.address(buckets);
    long workspace =
        memory.workspace(device.kernels().rf_lsh_sort_workspace(segments, length, hash.buckets()));
    device.check(
        op,
        buckets.toString(),
        device
            .kernels()
            .rf_lsh_sort(
                device.context(),
                toOrder,
                fromBuckets,
                segments,
                length,
                hash.buckets(),
                workspace));
  }
}
