package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reformer4j.api.CheckpointException;

/** Whatever the bytes of a file are, reading ends with checked values or CheckpointException. */
class SafeTensorsHostileTest {
  private static final String GOOD = "{'dtype':'F32','shape':[2],'data_offsets':[0,8]}";

  @TempDir Path folder;

  static byte[] file(String header, byte[] data) {
    return file(header.getBytes(StandardCharsets.UTF_8), data);
  }

  private static byte[] file(byte[] header, byte[] data) {
    return ByteBuffer.allocate(8 + header.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(header.length)
        .put(header)
        .put(data)
        .array();
  }

  private String refusal(byte[] bytes) {
    Path file = folder.resolve("model.safetensors");
    try {
      Files.write(file, bytes);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    String message =
        assertThrows(CheckpointException.class, () -> SafeTensors.open(file)).getMessage();
    assertTrue(message.contains("model.safetensors"), message);
    assertTrue(message.length() < 10_000, message);
    return message;
  }

  private static String tensor(String dtype, String shape, String offsets) {
    return "{'t':{'dtype':" + dtype + ",'shape':" + shape + ",'data_offsets':" + offsets + "}}";
  }

  static Stream<Arguments> headers() {
    return Stream.of(
        Arguments.of("", 8, "begin with '{'"),
        Arguments.of(" {}", 0, "begin with '{'"),
        Arguments.of("[]", 0, "begin with '{'"),
        Arguments.of("\uFEFF{}", 0, "begin with '{'"),
        Arguments.of("{", 0, "JSON"),
        Arguments.of("{'t':" + GOOD, 8, "JSON"),
        Arguments.of("{} {}", 0, "goes on"),
        Arguments.of("{}x", 0, "JSON"),
        Arguments.of("{'t':" + GOOD + ",'t':" + GOOD + "}", 8, "Duplicate"),
        Arguments.of("{'t':{'dtype':'F32','dtype':'F32'}}", 8, "Duplicate"),
        Arguments.of("{'__metadata__':{},'__metadata__':{}}", 0, "Duplicate"),
        Arguments.of("{'__metadata__':{'a':1}}", 0, "'a' must be a string"),
        Arguments.of("{'__metadata__':{'a':{'b':[1]}}}", 0, "'a' must be a string"),
        Arguments.of("{'__metadata__':null}", 0, "object of strings"),
        Arguments.of("{'t':5}", 0, "tensor 't' must be an object"),
        Arguments.of("{'t':{}}", 0, "lacks a usable dtype shape data_offsets"),
        Arguments.of(tensor("'F33'", "[2]", "[0,8]"), 8, "unknown dtype 'F33'"),
        Arguments.of(tensor("32", "[2]", "[0,8]"), 8, "dtype must be a string"),
        Arguments.of(tensor("'F32'", "[-2]", "[0,8]"), 8, "shape must be an array"),
        Arguments.of(tensor("'F32'", "[2.0]", "[0,8]"), 8, "shape must be an array"),
        Arguments.of(tensor("'F32'", "[2e0]", "[0,8]"), 8, "shape must be an array"),
        Arguments.of(tensor("'F32'", "['2']", "[0,8]"), 8, "shape must be an array"),
        Arguments.of(tensor("'F32'", "[[2]]", "[0,8]"), 8, "shape must be an array"),
        Arguments.of(tensor("'F32'", "2", "[0,8]"), 8, "shape must be an array"),
        Arguments.of(tensor("'F32'", "[9223372036854775808]", "[0,8]"), 8, "shape must be"),
        Arguments.of(tensor("'F32'", "[4611686018427387904]", "[0,8]"), 8, "overflows"),
        Arguments.of(tensor("'F32'", "[4294967296,4294967296,2]", "[0,8]"), 8, "overflows"),
        Arguments.of(tensor("'F32'", "[4294967296,4294967296,0]", "[0,0]"), 0, "overflows"),
        Arguments.of(tensor("'F32'", "[" + "1,".repeat(40) + "2]", "[0,8]"), 8, "at most 32"),
        Arguments.of(tensor("'F32'", "[3]", "[0,8]"), 8, "needs 12 bytes"),
        Arguments.of(tensor("'F64'", "[2]", "[0,8]"), 8, "needs 16 bytes"),
        Arguments.of(tensor("'F32'", "[2]", "[8,0]"), 8, "must be [begin, end]"),
        Arguments.of(tensor("'F32'", "[2]", "[0]"), 8, "must be [begin, end]"),
        Arguments.of(tensor("'F32'", "[2]", "[0,8,8]"), 8, "must be [begin, end]"),
        Arguments.of(tensor("'F32'", "[2]", "[-8,0]"), 8, "data_offsets must be"),
        Arguments.of(tensor("'F32'", "[2]", "[0,8]"), 7, "truncated"),
        Arguments.of(
            tensor("'F32'", "[2]", "[9223372036854775799,9223372036854775807]"), 8, "truncated"),
        Arguments.of(tensor("'F32'", "[2]", "[0,8]"), 9, "bytes 8 to 9 of the data belong"),
        Arguments.of(tensor("'F32'", "[1]", "[4,8]"), 8, "bytes 0 to 4 of the data belong"),
        Arguments.of("{'t':" + GOOD + ",'u':" + GOOD + "}", 8, "'u' begins at byte 0"),
        Arguments.of(
            "{'t':" + GOOD + ",'u':{'dtype':'U8','shape':[0],'data_offsets':[4,4]}}",
            8,
            "inside another tensor"),
        Arguments.of("{'t':{'dtype':'F32','shape':[2],'data_offsets':[0,8],'x':1}}", 8, "'x'"),
        Arguments.of("{'t':" + "[".repeat(100_000) + "}", 0, "JSON"),
        Arguments.of("{'t':" + "{'a':".repeat(100_000) + "}", 0, "JSON"),
        Arguments.of("{'" + "n".repeat(1_000_000) + "':1}", 0, "JSON"),
        Arguments.of(tensor("'F32'", "[" + "9".repeat(100_000) + "]", "[0,8]"), 8, "JSON"),
        Arguments.of("{'t':\0" + GOOD + "}", 8, "JSON"));
  }

  @ParameterizedTest
  @MethodSource("headers")
  void badHeadersAreRefused(String header, int dataBytes, String message) {
    String refusal = refusal(file(header.replace('\'', '"'), new byte[dataBytes]));
    assertTrue(refusal.contains(message), refusal);
  }

  @Test
  void shortFilesAreRefused() {
    for (int n = 0; n < 8; n++) {
      refusal(new byte[n]);
    }
    byte[] whole = file("{\"t\":" + GOOD.replace('\'', '"') + "}", new byte[8]);
    for (int n = 8; n < whole.length; n++) {
      refusal(Arrays.copyOf(whole, n));
    }
  }

  @Test
  void invalidUtf8IsRefused() {
    String header = "{\"__metadata__\":{\"a\":\"#\"}}";
    for (int bad : new int[] {0xFF, 0xC0, 0x80, 0xED}) {
      byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
      bytes[header.indexOf('#')] = (byte) bad;
      assertTrue(refusal(file(bytes, new byte[0])).contains("UTF-8"));
    }
    refusal(file("{}".getBytes(StandardCharsets.UTF_16LE), new byte[0]));
  }

  @Test
  void absurdHeaderLengthsAreRefusedWithoutAllocation() throws IOException {
    for (long length : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE, 100_000_001, 3, 1L << 31}) {
      byte[] bytes = file("{}", new byte[0]);
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
      refusal(bytes);
    }
    // The length is true here, only the format does not allow it. The file is sparse.
    long large = 2_000_000_000L;
    Path file = folder.resolve("large");
    AtomicFiles.write(
        file,
        channel -> {
          ByteBuffer start = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
          channel.write(start.putLong(large).flip());
          channel.write(ByteBuffer.wrap(new byte[1]), large + 7);
        });
    com.sun.management.ThreadMXBean memory =
        (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = memory.getThreadAllocatedBytes(Thread.currentThread().getId());
    assertThrows(CheckpointException.class, () -> SafeTensors.open(file));
    long allocated = memory.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
    assertTrue(allocated < 1 << 20, allocated + " bytes");
  }

  @Test
  void headersWithTooManyEntriesAreRefused() {
    String entry = "{'dtype':'U8','shape':[0],'data_offsets':[0,0]}".replace('\'', '"');
    String header =
        IntStream.range(0, 100_001)
            .mapToObj(i -> "\"" + i + "\":" + entry)
            .collect(Collectors.joining(",", "{", "}"));
    assertTrue(refusal(file(header, new byte[0])).contains("more than 100000"));
  }

  @Test
  void allProblemsAreInOneMessage() {
    String refusal =
        refusal(
            file(
                ("{'a':{'dtype':'X','shape':[2],'data_offsets':[0,8]},"
                        + "'b':{'dtype':'F32','shape':[5],'data_offsets':[0,8]},"
                        + "'c':{'dtype':'F32','shape':[2],'data_offsets':[4,12]},"
                        + "'__metadata__':{'k':7}}")
                    .replace('\'', '"'),
                new byte[16]));
    for (String part :
        List.of("'a' has the unknown dtype", "'b': F32", "'c' begins", "12 to 16", "'k'")) {
      assertTrue(refusal.contains(part), refusal);
    }
  }

  @Test
  void manyProblemsMakeAShortMessage() {
    String header =
        IntStream.range(0, 5000)
            .mapToObj(i -> "\"" + i + "\":0")
            .collect(Collectors.joining(",", "{", "}"));
    assertTrue(refusal(file(header, new byte[0])).contains("and 4950 more"));
  }

  @Test
  void whatIsNotARegularFileIsRefused() {
    assertThrows(CheckpointException.class, () -> SafeTensors.open(folder));
    assertThrows(CheckpointException.class, () -> SafeTensors.open(folder.resolve("missing")));
  }

  private static final String TYPICAL =
      ("{'__metadata__':{'format':'pt'},"
              + "'a.weight':{'dtype':'F32','shape':[2,3],'data_offsets':[0,24]},"
              + "'b.bias':{'dtype':'I64','shape':[1],'data_offsets':[24,32]},"
              + "'c':{'dtype':'BOOL','shape':[8],'data_offsets':[32,40]}}   ")
          .replace('\'', '"');

  @Test
  void mutatedHeadersAreReadOrRefused() throws IOException {
    byte[] original = TYPICAL.getBytes(StandardCharsets.UTF_8);
    Random random = new Random(20_000);
    int accepted = 0;
    for (int i = 0; i < 20_000; i++) {
      Problems problems = new Problems(folder);
      byte[] mutated = Mutations.mutate(original, random);
      SafeTensorsHeader header =
          SafeTensorsHeader.read(new ByteArrayInputStream(mutated), 40, problems);
      if (!problems.any()) {
        accepted++;
        assertEquals(
            40, header.entries().values().stream().mapToLong(e -> e.end() - e.begin()).sum());
      }
    }
    assertTrue(accepted > 100 && accepted < 10_000, accepted + " accepted");
  }

  @Test
  void mutatedFilesAreReadOrRefused() throws IOException {
    byte[] original = file(TYPICAL, new byte[40]);
    Random random = new Random(2_000);
    Path file = folder.resolve("f");
    int refused = 0;
    for (int i = 0; i < 2_000; i++) {
      Files.write(file, Mutations.mutate(original, random));
      try {
        SafeTensors tensors = SafeTensors.open(file);
        for (String name : tensors.names()) {
          switch (tensors.entry(name).dtype()) {
            case "F32", "F64", "F16", "BF16" -> tensors.doubles(name);
            default -> tensors.longs(name);
          }
        }
      } catch (CheckpointException e) {
        refused++;
      }
    }
    assertTrue(refused > 500 && refused < 2_000, refused + " refused");
  }
}
