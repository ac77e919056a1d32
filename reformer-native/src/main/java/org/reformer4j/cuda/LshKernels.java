package org.reformer4j.cuda;

import org.reformer4j.api.Arguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DType;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Bucket numbers, and the order of the tokens by them. */
final class LshKernels {
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
    Arguments.flat(
        op, "rotations", rotations, DType.F32, "[H, K, R*columns]", (long) spec.width() * columns);
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

  /**
   * Lists the tokens of every segment by ascending bucket, equal ones in their own order.
   *
   * @param order I32 [B, H, R, T]
   * @param buckets I32 [B, H, R, T]
   * @param length T
   * @param bucketCount number of buckets, without the padding bucket
   */
  void lshSort(Tensor order, Tensor buckets, long length, int bucketCount) {
    String op = "lshSort";
    long elements = buckets.elements();
    Arguments.flat(op, "buckets", buckets, DType.I32, "[B, H, R, T]", elements);
    Arguments.flat(op, "order", order, DType.I32, "[B, H, R, T]", elements);
    if (length < 1 || elements % length != 0) {
      throw new IllegalArgumentException(
          op + ": buckets must hold whole segments of T = " + length + ", got " + buckets);
    }
    long segments = elements / length;
    long toOrder = memory.address(order);
    long fromBuckets = memory.address(buckets);
    long workspace =
        memory.workspace(device.kernels().rf_lsh_sort_workspace(segments, length, bucketCount));
    device.check(
        op,
        buckets.toString(),
        device
            .kernels()
            .rf_lsh_sort(
                device.context(), toOrder, fromBuckets, segments, length, bucketCount, workspace));
  }
}
