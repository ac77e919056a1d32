package org.reformer4j.kernels;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import org.bytedeco.javacpp.BytePointer;
import org.reformer4j.api.Arguments;
import org.reformer4j.api.Bfloat16;
import org.reformer4j.api.DType;
import org.reformer4j.api.FixedPoint;
import org.reformer4j.api.KernelArguments;
import org.reformer4j.api.Tensor;

/** The ways of elements to the device and back, through one buffer outside of the Java heap. */
final class Transfers {
  private static final int BUFFER_BYTES = 4 << 20;

  /** Longest row of one copy on the device: CUDA takes less than 2 GiB from row to row. */
  private static final long LONGEST_ROW = 1L << 30;

  private static final DType[] REAL = {DType.F32, DType.BF16, DType.FIXED};

  /** Moves elements between the front of the buffer and a host array. */
  private interface Move {
    void accept(int inHost, int count);
  }

  /** One transfer: rows of a tensor. */
  private interface Block {
    void accept(long address, long pitch, long rowBytes, long rows, int inHost);
  }

  private final Device device;
  private final DeviceMemory memory;
  private final BytePointer buffer = new BytePointer(BUFFER_BYTES);
  private final ByteBuffer bytes = buffer.asByteBuffer().order(ByteOrder.nativeOrder());
  private final ShortBuffer shorts = bytes.asShortBuffer();
  private final IntBuffer ints = bytes.asIntBuffer();
  private final FloatBuffer floats = bytes.asFloatBuffer();

  Transfers(Device device, DeviceMemory memory) {
    this.device = device;
    this.memory = memory;
  }

  void close() {
    buffer.close();
  }

  void upload(Tensor target, float[] source) {
    Arguments.elements("upload", target, source.length, REAL);
    switch (target.type()) {
      case F32 -> upload(target, (from, count) -> floats.put(0, source, from, count));
      case BF16 ->
          upload(
              target,
              (from, count) -> {
                for (int i = 0; i < count; i++) {
                  shorts.put(i, Bfloat16.toBits(source[from + i]));
                }
              });
      default ->
          upload(
              target,
              (from, count) -> {
                for (int i = 0; i < count; i++) {
                  ints.put(i, FixedPoint.fromFloat(source[from + i]));
                }
              });
    }
  }

  void upload(Tensor target, int[] source) {
    Arguments.elements("upload", target, source.length, DType.I32);
    upload(target, (from, count) -> ints.put(0, source, from, count));
    DeviceStorage storage = memory.storage(target);
    if (target.elements() == storage.elements()) {
      storage.integers(IntegerRange.of(source));
    }
  }

  void upload(Tensor target, byte[] source) {
    Arguments.elements("upload", target, source.length, DType.I8);
    upload(target, (from, count) -> bytes.put(0, source, from, count));
  }

  float[] download(Tensor source) {
    Arguments.elements("download", source, source.elements(), REAL);
    float[] target = new float[Math.toIntExact(source.elements())];
    switch (source.type()) {
      case F32 -> download(source, (to, count) -> floats.get(0, target, to, count));
      case BF16 ->
          download(
              source,
              (to, count) -> {
                for (int i = 0; i < count; i++) {
                  target[to + i] = Bfloat16.fromBits(shorts.get(i));
                }
              });
      default ->
          download(
              source,
              (to, count) -> {
                for (int i = 0; i < count; i++) {
                  target[to + i] = FixedPoint.toFloat(ints.get(i));
                }
              });
    }
    return target;
  }

  int[] downloadInts(Tensor source) {
    Arguments.elements("downloadInts", source, source.elements(), DType.I32, DType.FIXED);
    int[] target = new int[Math.toIntExact(source.elements())];
    download(source, (to, count) -> ints.get(0, target, to, count));
    return target;
  }

  /** Writes integers to an address on the device; they are there for whatever is queued next. */
  void upload(String op, long address, int... values) {
    int at = 0;
    while (at < values.length) {
      int count = Math.min(values.length - at, BUFFER_BYTES / Integer.BYTES);
      ints.put(0, values, at, count);
      long rowBytes = (long) count * Integer.BYTES;
      device.check(
          op,
          "",
          device
              .kernels()
              .rf_upload(
                  device.context(),
                  address + (long) at * Integer.BYTES,
                  rowBytes,
                  buffer.address(),
                  rowBytes,
                  rowBytes,
                  1));
      at += count;
    }
  }

  /** Waits for the device and returns the integer at an address. */
  int downloadInt(String op, long address) {
    return downloadInts(op, address, 1)[0];
  }

  /** Waits for the device and returns a few integers from an address on, as many as fit 4 MiB. */
  int[] downloadInts(String op, long address, int count) {
    long length = (long) count * Integer.BYTES;
    device.check(
        op,
        "",
        device
            .kernels()
            .rf_download(device.context(), buffer.address(), length, address, length, length, 1));
    int[] values = new int[count];
    ints.get(0, values);
    return values;
  }

  /** Waits for the device and returns the double at an address. */
  double downloadDouble(String op, long address) {
    device.check(
        op,
        "",
        device
            .kernels()
            .rf_download(device.context(), buffer.address(), 8, address, 8, Double.BYTES, 1));
    return bytes.getDouble(0);
  }

  void fill(Tensor target, float value) {
    Arguments.elements("fill", target, target.elements(), REAL);
    device.check(
        "fill",
        target,
        device
            .kernels()
            .rf_fill(
                device.context(),
                memory.address(target),
                target.rowStride(),
                ElementTypes.code(target),
                target.rows(),
                target.columns(),
                value));
  }

  void copy(Tensor target, Tensor source) {
    KernelArguments.copy(target, source);
    int size = source.type().bytes();
    long from = memory.address(source);
    long to = memory.address(target);
    long rowBytes = source.columns() * size;
    for (long at = 0; at < rowBytes; at += LONGEST_ROW) {
      long part = Math.min(LONGEST_ROW, rowBytes - at);
      device.check(
          "copy",
          source,
          device
              .kernels()
              .rf_copy(
                  device.context(),
                  to + at,
                  pitch(target, part),
                  from + at,
                  pitch(source, part),
                  part,
                  source.rows()));
    }
  }

  /** Distance between rows; a single row has none, and a small number is always accepted. */
  private static long pitch(Tensor tensor, long rowBytes) {
    return tensor.rows() == 1 ? rowBytes : tensor.rowStride() * tensor.type().bytes();
  }

  private void upload(Tensor target, Move move) {
    blocks(
        target,
        (address, pitch, rowBytes, rows, inHost) -> {
          move.accept(inHost, (int) (rowBytes / target.type().bytes() * rows));
          device.check(
              "upload",
              target,
              device
                  .kernels()
                  .rf_upload(
                      device.context(),
                      address,
                      pitch,
                      buffer.address(),
                      rowBytes,
                      rowBytes,
                      rows));
        });
  }

  private void download(Tensor source, Move move) {
    blocks(
        source,
        (address, pitch, rowBytes, rows, inHost) -> {
          device.check(
              "download",
              source,
              device
                  .kernels()
                  .rf_download(
                      device.context(),
                      buffer.address(),
                      rowBytes,
                      address,
                      pitch,
                      rowBytes,
                      rows));
          move.accept(inHost, (int) (rowBytes / source.type().bytes() * rows));
        });
  }

  /** Cuts a tensor into blocks that fit the buffer: several rows, or a part of one. */
  private void blocks(Tensor tensor, Block block) {
    long address = memory.address(tensor);
    int size = tensor.type().bytes();
    boolean flat = tensor.contiguous();
    long rows = flat ? 1 : tensor.rows();
    long rowBytes = (flat ? tensor.elements() : tensor.columns()) * size;
    long pitch = flat ? rowBytes : tensor.rowStride() * size;
    if (rows == 0 || rowBytes == 0) {
      return;
    }
    long rowsPerBlock = Math.max(1, BUFFER_BYTES / rowBytes);
    for (long row = 0; row < rows; row += rowsPerBlock) {
      long count = Math.min(rowsPerBlock, rows - row);
      for (long at = 0; at < rowBytes; at += BUFFER_BYTES) {
        long part = Math.min(BUFFER_BYTES, rowBytes - at);
        block.accept(
            address + row * pitch + at,
            rows == 1 ? part : pitch,
            part,
            count,
            Math.toIntExact((row * rowBytes + at) / size));
      }
    }
  }
}
