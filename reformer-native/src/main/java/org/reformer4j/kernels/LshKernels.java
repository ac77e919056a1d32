package org.reformer4j.kernels;

import org.reformer4j.api.AttentionArguments;
import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.RunLayout;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Bucket numbers, and the order of the tokens by them. */
final class LshKernels {
  private final Device device;
  private final DeviceMemory memory;
  private final SequenceTable sequences;

  LshKernels(Device device, DeviceMemory memory, SequenceTable sequences) {
    this.device = device;
    this.memory = memory;
    this.sequences = sequences;
  }

  void lshBuckets(
      Tensor buckets,
      Tensor queryKeys,
      Tensor rotations,
      Tensor keyMask,
      AttentionSpec spec,
      HashSpec hash) {
    String op = "lshBuckets";
    device.arguments().lshBuckets(buckets, queryKeys, rotations, keyMask, spec, hash);
    device.requireHeadSize(op, spec.headSize());
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
                sequences.lengths(op, spec.sequences()),
                spec.sequences().batch(),
                spec.sequences().stride(),
                spec.heads(),
                spec.headSize(),
                hash.rounds(),
                factors,
                factors.length);
    device.check(op, queryKeys, status);
  }

  void lshSort(Tensor order, Tensor buckets, Sequences all, HashSpec hash) {
    String op = "lshSort";
    AttentionArguments.lshSort(order, buckets, all, hash);
    long length = buckets.columns();
    long segments = buckets.rows();
    long toOrder = memory.address(order);
    long fromBuckets = memory.address(buckets);
    long lengths = sequences.lengths(op, all);
    long workspace =
        memory.workspace(device.kernels().rf_lsh_sort_workspace(segments, length, hash.buckets()));
    device.check(
        op,
        buckets,
        device
            .kernels()
            .rf_lsh_sort(
                device.context(),
                toOrder,
                fromBuckets,
                segments,
                length,
                hash.buckets(),
                lengths,
                segments / all.batch(),
                workspace));
  }

  void lshRuns(Tensor runs, Tensor order, Tensor buckets, AttentionSpec spec, HashSpec hash) {
    String op = "lshRuns";
    AttentionArguments.lshRuns(runs, order, buckets, spec, hash);
    Sequences all = spec.sequences();
    int perSequence = spec.heads() * hash.rounds();
    RunLayout layout = RunLayout.of(spec, hash);
    int status =
        device
            .kernels()
            .rf_lsh_runs(
                device.context(),
                memory.address(runs),
                memory.address(order),
                memory.address(buckets),
                (long) all.batch() * perSequence,
                all.stride(),
                sequences.lengths(op, all),
                perSequence,
                layout.chunkLength(),
                layout.places(),
                hash.selection() == LshSelection.CAUSAL ? 1 : 0,
                hash.distinct() ? 1 : 0);
    device.check(op, buckets, status);
  }
}
