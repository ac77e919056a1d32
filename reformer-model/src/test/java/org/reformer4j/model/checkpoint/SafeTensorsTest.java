package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

class SafeTensorsTest {
  @TempDir Path folder;

  private SafeTensors open(String dtype, int elements, byte[] data) throws IOException {
    String header =
        "{\"t\":{\"dtype\":\""
            + dtype
            + "\",\"shape\":["
            + elements
            + "],\"data_offsets\":[0,"
            + data.length
            + "]}}";
    Path file = folder.resolve(dtype);
    Files.write(file, SafeTensorsHostileTest.file(header, data));
    return SafeTensors.open(file);
  }

  private static ByteBuffer data(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Test
  void roundTrip() {
    float[] floats = new float[3 * 200_000];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = Float.intBitsToFloat(i * 7919);
    }
    Path file = folder.resolve("model.safetensors");
    new SafeTensorsWriter()
        .metadata("format", "pt")
        .metadata("ünï", "\"\\\n\u0001")
        .floats("z.weight", Shape.of(3, 200_000), () -> floats)
        .longs("buckets", Shape.of(2), () -> new long[] {Long.MIN_VALUE, Long.MAX_VALUE})
        .ints("ids", Shape.of(3, 1), () -> new int[] {-1, 0, 1})
        .doubles("exact", Shape.of(), () -> new double[] {Math.PI})
        .floats("none", Shape.of(4, 0), () -> new float[0])
        .write(file);
    SafeTensors read = SafeTensors.open(file);
    assertEquals(List.of("z.weight", "buckets", "ids", "exact", "none"), read.names());
    assertEquals(Map.of("format", "pt", "ünï", "\"\\\n\u0001"), read.metadata());
    assertEquals(
        new SafeTensors.Entry("buckets", "I64", Shape.of(2), 2_400_000, 2_400_016),
        read.entry("buckets"));
    assertBits(floats, read.floats("z.weight"));
    assertArrayEquals(new long[] {Long.MIN_VALUE, Long.MAX_VALUE}, read.longs("buckets"));
    assertArrayEquals(new int[] {-1, 0, 1}, read.ints("ids"));
    assertArrayEquals(new long[] {-1, 0, 1}, read.longs("ids"));
    assertArrayEquals(new double[] {Math.PI}, read.doubles("exact"));
    assertArrayEquals(new float[] {(float) Math.PI}, read.floats("exact"));
    assertEquals(0, read.floats("none").length);
    float[] run = new float[500_002];
    read.floats("z.weight", 99_999, run, 1, 500_000);
    for (int i = 0; i < 500_000; i++) {
      assertEquals(
          Float.floatToRawIntBits(floats[99_999 + i]), Float.floatToRawIntBits(run[i + 1]));
    }
    assertThrows(
        IndexOutOfBoundsException.class, () -> read.floats("z.weight", 600_000, run, 0, 1));
    assertThrows(IndexOutOfBoundsException.class, () -> read.floats("z.weight", -1, run, 0, 1));
    assertThrows(
        IndexOutOfBoundsException.class, () -> read.floats("z.weight", 0, run, 500_000, 3));
  }

  private static void assertBits(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(Float.floatToRawIntBits(expected[i]), Float.floatToRawIntBits(actual[i]));
    }
  }

  @Test
  void theFormatIsAsPublished() throws IOException {
    Path file = folder.resolve("f");
    new SafeTensorsWriter()
        .metadata("b", "2")
        .metadata("a", "1")
        .floats("x", Shape.of(1, 2), () -> new float[] {1, -2})
        .write(file);
    String header =
        "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\"},"
            + "\"x\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}";
    String padded = header + " ".repeat((8 - header.length() % 8) % 8);
    byte[] expected = SafeTensorsHostileTest.file(padded, data(8).putFloat(1).putFloat(-2).array());
    assertArrayEquals(expected, Files.readAllBytes(file));
  }

  @Test
  void realTypesAreWidened() throws IOException {
    ByteBuffer halves = data(16);
    for (int bits : new int[] {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8000, 0x7C00, 0xFC00, 0x7E00}) {
      halves.putShort((short) bits);
    }
    float[] expected = {
      1, -2, 65504, 0x1p-24f, -0f, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN
    };
    assertArrayEquals(expected, open("F16", 8, halves.array()).floats("t"));
    ByteBuffer brains = data(6).putShort((short) 0x3F80).putShort((short) 0xC040);
    brains.putShort((short) 0x7F80);
    assertArrayEquals(
        new float[] {1, -3, Float.POSITIVE_INFINITY}, open("BF16", 3, brains.array()).floats("t"));
    assertArrayEquals(
        new double[] {1, -3, Double.POSITIVE_INFINITY},
        open("BF16", 3, brains.array()).doubles("t"));
    SafeTensors doubles = open("F64", 2, data(16).putDouble(0.1).putDouble(1e300).array());
    assertArrayEquals(new float[] {0.1f, Float.POSITIVE_INFINITY}, doubles.floats("t"));
    assertArrayEquals(new double[] {0.1, 1e300}, doubles.doubles("t"));
  }

  @Test
  void integerTypesAreWidenedAndChecked() throws IOException {
    byte[] ones = {-1, -1, -1, -1, -1, -1, -1, -1};
    assertArrayEquals(new int[] {-1}, open("I64", 1, ones).ints("t"));
    assertArrayEquals(new int[] {-1, -1}, open("I32", 2, ones).ints("t"));
    assertArrayEquals(new int[] {-1, -1, -1, -1}, open("I16", 4, ones).ints("t"));
    assertEquals(-1, open("I8", 8, ones).ints("t")[7]);
    assertEquals(255, open("U8", 8, ones).ints("t")[7]);
    assertEquals(65535, open("U16", 4, ones).longs("t")[3]);
    SafeTensors unsigned = open("U32", 2, ones);
    assertArrayEquals(new long[] {4294967295L, 4294967295L}, unsigned.longs("t"));
    assertThrows(CheckpointException.class, () -> unsigned.ints("t"));
    SafeTensors unsignedLong = open("U64", 1, ones);
    CheckpointException e = assertThrows(CheckpointException.class, () -> unsignedLong.longs("t"));
    assertTrue(e.getMessage().contains("18446744073709551615"), e.getMessage());
    SafeTensors large = open("I64", 1, data(8).putLong(1L << 31).array());
    assertThrows(CheckpointException.class, () -> large.ints("t"));
    assertArrayEquals(new int[] {0, 1}, open("BOOL", 2, new byte[] {0, 1}).ints("t"));
    SafeTensors bool = open("BOOL", 1, new byte[] {2});
    assertThrows(CheckpointException.class, () -> bool.ints("t"));
    SafeTensors eights = open("F8_E4M3", 8, ones);
    assertThrows(CheckpointException.class, () -> eights.floats("t"));
    assertThrows(CheckpointException.class, () -> eights.longs("t"));
  }

  @Test
  void wrongNamesAndTypesAreNamed() throws IOException {
    SafeTensors file = open("I32", 1, new byte[4]);
    CheckpointException type = assertThrows(CheckpointException.class, () -> file.floats("t"));
    assertTrue(type.getMessage().contains("'t' has dtype I32"), type.getMessage());
    CheckpointException name = assertThrows(CheckpointException.class, () -> file.ints("u"));
    assertTrue(name.getMessage().contains("has no tensor 'u'"), name.getMessage());
  }

  @Test
  void aFileThatChangesIsNotMixedUp() throws IOException {
    Path file = folder.resolve("f");
    SafeTensorsWriter writer = new SafeTensorsWriter();
    writer.floats("x", Shape.of(1), () -> new float[] {1}).write(file);
    SafeTensors old = SafeTensors.open(file);
    writer.floats("y", Shape.of(1), () -> new float[] {2}).write(file);
    CheckpointException e = assertThrows(CheckpointException.class, () -> old.floats("x"));
    assertTrue(e.getMessage().contains("has changed"), e.getMessage());
    Files.delete(file);
    assertThrows(CheckpointException.class, () -> old.floats("x"));
  }

  @Test
  void aFailingSupplierLeavesTheOldFile() throws IOException {
    Path file = folder.resolve("f");
    new SafeTensorsWriter().floats("x", Shape.of(1), () -> new float[] {1}).write(file);
    byte[] before = Files.readAllBytes(file);
    SafeTensorsWriter failing =
        new SafeTensorsWriter()
            .floats("a", Shape.of(1 << 19), () -> new float[1 << 19])
            .floats(
                "b",
                Shape.of(1),
                () -> {
                  throw new IllegalStateException("device lost");
                });
    assertThrows(IllegalStateException.class, () -> failing.write(file));
    SafeTensorsWriter wrong =
        new SafeTensorsWriter().floats("c", Shape.of(2, 2), () -> new float[3]);
    CheckpointException e = assertThrows(CheckpointException.class, () -> wrong.write(file));
    assertTrue(e.getMessage().contains("'c' of shape [2, 2] gave 3"), e.getMessage());
    assertThrows(
        CheckpointException.class,
        () -> new SafeTensorsWriter().ints("d", Shape.of(1), () -> null).write(file));
    assertArrayEquals(before, Files.readAllBytes(file));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void namesAreCheckedOnWriting() {
    SafeTensorsWriter writer = new SafeTensorsWriter().ints("a", Shape.of(0), () -> new int[0]);
    assertThrows(
        IllegalArgumentException.class, () -> writer.ints("a", Shape.of(0), () -> new int[0]));
    assertThrows(
        IllegalArgumentException.class,
        () -> writer.ints("__metadata__", Shape.of(0), () -> new int[0]));
    assertThrows(IllegalArgumentException.class, () -> writer.metadata("half", "\uD800"));
    assertThrows(
        IllegalArgumentException.class, () -> writer.ints("\uDC00", Shape.of(0), () -> new int[0]));
  }

  @Test
  void aFileWithoutTensorsIsValid() throws IOException {
    Path file = folder.resolve("f");
    new SafeTensorsWriter().write(file);
    assertEquals(List.of(), SafeTensors.open(file).names());
    Files.write(file, SafeTensorsHostileTest.file("{}", "".getBytes(StandardCharsets.UTF_8)));
    assertEquals(Map.of(), SafeTensors.open(file).metadata());
  }

  @Test
  void dataBehindTwoGigabytesIsRead() throws IOException {
    // A sparse file: it takes no room on the disk.
    long large = 3L << 30;
    String header =
        "{\"big\":{\"dtype\":\"U8\",\"shape\":["
            + large
            + "],\"data_offsets\":[0,"
            + large
            + "]},\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":["
            + large
            + ","
            + (large + 4)
            + "]}}";
    Path file = folder.resolve("f");
    byte[] start = SafeTensorsHostileTest.file(header, new byte[0]);
    AtomicFiles.write(
        file,
        channel -> {
          channel.write(ByteBuffer.wrap(start));
          channel.write(data(4).putFloat(42).flip(), start.length + large);
        });
    SafeTensors tensors = SafeTensors.open(file);
    assertArrayEquals(new float[] {42}, tensors.floats("x"));
    assertThrows(CheckpointException.class, () -> tensors.longs("big"));
  }
}
