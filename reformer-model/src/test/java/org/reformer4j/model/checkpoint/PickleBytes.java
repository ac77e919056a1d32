package org.reformer4j.model.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Puts together pickles operation by operation, sound ones and others. */
final class PickleBytes {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  PickleBytes() {
    op(0x80).op(2);
  }

  PickleBytes op(int code) {
    bytes.write(code);
    return this;
  }

  PickleBytes ops(String codes) {
    codes.chars().forEach(this::op);
    return this;
  }

  PickleBytes global(String module, String name) {
    return ops("c" + module + "\n" + name + "\n");
  }

  PickleBytes text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return op('X').int4(utf8.length).raw(utf8);
  }

  PickleBytes number(int value) {
    return op('J').int4(value);
  }

  PickleBytes int4(int value) {
    return op(value & 255).op(value >> 8 & 255).op(value >> 16 & 255).op(value >>> 24);
  }

  PickleBytes raw(byte[] data) {
    bytes.writeBytes(data);
    return this;
  }

  /** The numbers as a tuple. */
  PickleBytes tuple(int... values) {
    op('(');
    for (int value : values) {
      number(value);
    }
    return op('t');
  }

  /** A float tensor that is a view of storage '0'. */
  PickleBytes tensor(int stored, int offset, int[] size, int[] strides) {
    return global("torch._utils", "_rebuild_tensor_v2")
        .ops("((")
        .text("storage")
        .global("torch", "FloatStorage")
        .text("0")
        .text("cpu")
        .number(stored)
        .ops("tQ")
        .number(offset)
        .tuple(size)
        .tuple(strides)
        .op(0x89)
        .ops("NtR");
  }

  byte[] stop() {
    return op('.').bytes.toByteArray();
  }
}
