package org.reformer4j.cuda;

import java.util.Arrays;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Bucket numbers, and the order of the tokens by them. */
final class LshKernels {
  private static final int MAX_HEAD_SIZE = 128;

  private final Device device;
  private final CudaMemory memory;
  private final Transfers transfers;

  /** Lengths that are on the device at {@link #onDevice}, null for none. */
  private int[] uploaded;

  private long onDevice;

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
    KernelArguments.F32_OR_BF16.lshBuckets(buckets, queryKeys, rotations, keyMask, spec, hash);
    if (spec.headSize() > MAX_HEAD_SIZE) {
      throw new IllegalArgumentException(
          op
              + ": the cuda backend needs a head size K of at most "
              + MAX_HEAD_SIZE
              + ", got "
              + spec.headSize()
              + ": use the reference backend with F32 rotations");
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
    // An upload waits for the device; all layers of a batch have the same lengths.
    if (!Arrays.equals(lengths, uploaded)) {
      close();
      long[] address = new long[1];
      long bytes = (long) lengths.length * Integer.BYTES;
      device.check(op, "", device.kernels().rf_allocate(device.context(), bytes, address));
      onDevice = address[0];
      transfers.upload(op, onDevice, lengths);
      uploaded = lengths;
    }
    return onDevice;
  }

  void close() {
    if (onDevice != 0 && device.alive()) {
      device.note("close", device.kernels().rf_free(device.context(), onDevice));
    }
    onDevice = 0;
    uploaded = null;
  }

  void lshSort(Tensor order, Tensor buckets, HashSpec hash) {
    String op = "lshSort";
    KernelArguments.lshSort(order, buckets, hash);
    long length = buckets.columns();
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
