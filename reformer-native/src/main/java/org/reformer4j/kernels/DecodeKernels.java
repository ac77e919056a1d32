package org.reformer4j.kernels;

import org.reformer4j.api.DecodeSpec;
import org.reformer4j.api.Tensor;

/** Attention of new tokens to a cache. */
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
}
