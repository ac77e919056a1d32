package org.reformer4j.kernels;

import org.reformer4j.api.AttentionSpec;
import org.reformer4j.api.DecodeArguments;
import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.HashSpec;
import org.reformer4j.api.LshSelection;
import org.reformer4j.api.Sequences;
import org.reformer4j.api.Tensor;

/** Attention of new tokens to a cache, and what the device keeps of a cache itself. */
final class DecodeKernels {
  private final Device device;
  private final DeviceMemory memory;
  private final IndexCheck indices;

  DecodeKernels(Device device, DeviceMemory memory, IndexCheck indices) {
    this.device = device;
    this.memory = memory;
    this.indices = indices;
  }

  void decodeAttention(
      Tensor out,
      Tensor queries,
      Tensor keys,
      Tensor values,
      Tensor rows,
      Tensor own,
      Tensor headMask,
      DecodeSpec spec) {
    String op = "decodeAttention";
    device.arguments().decodeAttention(out, queries, keys, values, rows, own, headMask, spec);
    device.requireHeadSize(op, spec.headSize());
    Rows target = Rows.of(memory, out);
    Rows q = Rows.of(memory, queries);
    Rows k = Rows.of(memory, keys);
    Rows v = Rows.of(memory, values);
    indices.indicesOrNone(op, "rows", rows, keys.rows());
    if (own != null) {
      indices.indicesOrNone(op, "own", own, keys.rows());
    }
    int status =
        device
            .kernels()
            .rf_decode_attention(
                device.context(),
                target.address(),
                target.stride(),
                target.type(),
                q.address(),
                q.stride(),
                k.address(),
                k.stride(),
                v.address(),
                v.stride(),
                q.type(),
                memory.readOnly(rows),
                own == null ? 0 : memory.readOnly(own),
                memory.addressOrNull(headMask),
                spec.batch(),
                spec.heads(),
                spec.headSize(),
                spec.rounds(),
                spec.window(),
                spec.shared() ? 1 : 0);
    device.check(op, queries, status);
  }

  void storeRows(Tensor target, Tensor rows, Tensor source) {
    String op = "storeRows";
    DecodeArguments.storeRows(target, rows, source);
    Rows to = Rows.of(memory, target);
    Rows from = Rows.of(memory, source);
    indices.indicesAtHand(op, "rows", rows, target.rows());
    int status =
        device
            .kernels()
            .rf_store_rows(
                device.context(),
                to.address(),
                to.stride(),
                from.address(),
                from.stride(),
                to.type(),
                memory.readOnly(rows),
                source.rows(),
                source.columns());
    device.check(op, source, status);
  }

  void lshDecodeLists(
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
    String op = "lshDecodeLists";
    DecodeArguments.lshDecodeLists(
        listed, places, buckets, ranks, counts, hashed, own, lengths, spec, hash);
    Sequences sequences = spec.sequences();
    long segments = (long) sequences.batch() * spec.heads() * hash.rounds();
    long toListed = memory.address(listed);
    long toPlaces = memory.address(places);
    long toBuckets = memory.address(buckets);
    long toRanks = memory.address(ranks);
    long toCounts = memory.address(counts);
    long fromHashed = memory.readOnly(hashed);
    long fromOwn = memory.readOnly(own);
    long fromLengths = memory.readOnly(lengths);
    indices.indicesAtHand(op, "lengths", lengths, sequences.stride());
    indices.indicesAtHand(op, "hashed", hashed, hash.buckets() + 1L);
    long workspace =
        memory.workspace(device.kernels().rf_decode_lists_workspace(segments, hash.buckets()));
    int status =
        device
            .kernels()
            .rf_decode_lists(
                device.context(),
                toListed,
                toPlaces,
                toBuckets,
                toRanks,
                toCounts,
                fromHashed,
                fromOwn,
                fromLengths,
                sequences.batch(),
                spec.heads(),
                hash.rounds(),
                sequences.stride(),
                hash.buckets(),
                listed.elements() / segments,
                spec.chunkLength(),
                spec.chunksBefore(),
                spec.windowChunks(),
                hash.selection() == LshSelection.CAUSAL ? 1 : 0,
                hash.distinct() ? 1 : 0,
                workspace);
    device.check(op, listed, status);
  }
}
