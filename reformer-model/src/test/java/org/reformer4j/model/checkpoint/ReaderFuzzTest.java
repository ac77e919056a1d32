package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

/**
 * Every reader of a checkpoint file on mutations of sound files: each ends, with checked values or
 * a CheckpointException, and allocates no more than a multiple of the bytes that it was given.
 *
 * <p>Mutation number i is the same in every run. The system property {@code
 * reformer.fuzz.mutations} says how many there are, {@code reformer.fuzz.seconds} when to stop
 * before.
 */
class ReaderFuzzTest {
  private static final long MUTATIONS = Long.getLong("reformer.fuzz.mutations", 100_000);
  private static final long SECONDS = Long.getLong("reformer.fuzz.seconds", 3_000);

  /** Buffers of streams, the JSON parser, the zip archive and messages, whatever the file. */
  private static final long FIXED_BYTES = 1 << 20;

  private static final long BYTES_PER_BYTE = 200;
  private static final double MOST_SECONDS = 5;

  /** Of so many mutations one goes through the file system. */
  private static final int FILES_EVERY = 20;

  private static final com.sun.management.ThreadMXBean THREADS =
      (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** Reads bytes, or throws CheckpointException; checks what it read. */
  private interface Reader {
    void read(byte[] bytes) throws IOException;
  }

  private static final class Case {
    final String name;
    final Reader reader;
    final byte[][] sound;
    long accepted;
    long refused;
    long mostBytes;

    Case(String name, Reader reader, byte[]... sound) {
      this.name = name;
      this.reader = reader;
      this.sound = sound;
    }
  }

  @TempDir Path folder;
  private List<Case> inMemory;
  private List<Case> inFiles;

  @BeforeEach
  void prepare() throws IOException {
    byte[] safetensors = Files.readAllBytes(TestFiles.path("expected.safetensors"));
    int headerBytes = safetensors[0] & 255 | (safetensors[1] & 255) << 8;
    byte[] header = Arrays.copyOfRange(safetensors, 8, 8 + headerBytes);
    byte[] config = ConfigJsonTest.PUBLISHED.getBytes(StandardCharsets.UTF_8);
    byte[] index =
        "{\"metadata\":{\"total_size\":9},\"weight_map\":{\"x\":\"s\",\"y.weight\":\"s\"}}"
            .getBytes(StandardCharsets.UTF_8);
    byte[] torch = Files.readAllBytes(TestFiles.path("torch-2.13.bin"));
    byte[] torch4 = Files.readAllBytes(TestFiles.path("torch-1.13-protocol4.bin"));
    long data = safetensors.length - 8 - header.length;
    inMemory =
        List.of(
            new Case("safetensors header", bytes -> header(bytes, data), header),
            new Case(
                "pickle", ReaderFuzzTest::pickle, pickleOf("2.13"), pickleOf("1.13-protocol4")),
            new Case("config", bytes -> ConfigJson.parse(folder, bytes), config),
            new Case("index", bytes -> index(bytes), index));
    Path shard = folder.resolve("s");
    new SafeTensorsWriter()
        .floats("x", Shape.of(2), () -> new float[2])
        .floats("y.weight", Shape.of(1), () -> new float[1])
        .write(shard);
    byte[] shardBytes = Files.readAllBytes(shard);
    inFiles =
        List.of(
            new Case(
                "safetensors file", bytes -> readAll(WeightFiles.SAFETENSORS, bytes), safetensors),
            new Case("torch file", bytes -> readAll(WeightFiles.TORCH, bytes), torch, torch4),
            new Case("index file", bytes -> readAll(WeightFiles.SHARDED_SAFETENSORS, bytes), index),
            new Case("shard", this::shard, shardBytes));
    Files.write(folder.resolve(WeightFiles.SHARDED_TORCH.fileName()), index);
  }

  private static byte[] pickleOf(String version) throws IOException {
    try (var zip = new java.util.zip.ZipFile(TestFiles.path("torch-" + version + ".bin").toFile());
        var stream = zip.getInputStream(zip.getEntry("torch-" + version + "/data.pkl"))) {
      return stream.readAllBytes();
    }
  }

  private static void header(byte[] bytes, long data) throws IOException {
    Problems problems = new Problems(Path.of("f"));
    SafeTensorsHeader header =
        SafeTensorsHeader.read(new ByteArrayInputStream(bytes), data, problems);
    problems.throwIfAny();
    assertEquals(
        data, header.entries().values().stream().mapToLong(e -> e.end() - e.begin()).sum());
  }

  private static void pickle(byte[] bytes) {
    TorchPickle.read(bytes, 5_000, new Problems(Path.of("f")))
        .values()
        .forEach(
            tensor -> {
              assertTrue(tensor.offset() >= 0);
              assertTrue(
                  tensor.offset() + tensor.span()
                      <= Math.max(
                          tensor.storage().elements(),
                          tensor.shape().elements() == 0 ? Long.MAX_VALUE : 0));
              assertTrue(tensor.shape().elements() <= 5_000);
            });
  }

  private static void index(byte[] bytes) throws IOException {
    ShardIndex.parse(new ByteArrayInputStream(bytes), new Problems(Path.of("f")))
        .values()
        .forEach(file -> assertEquals(Path.of(file), Path.of(file).getFileName()));
  }

  private void readAll(WeightFiles kind, byte[] bytes) throws IOException {
    replace(folder.resolve(kind.fileName()), bytes);
    readAll(kind.open(folder));
  }

  /** A new file: some file systems wait for the disk where an old one is truncated. */
  private static void replace(Path file, byte[] bytes) throws IOException {
    Files.deleteIfExists(file);
    Files.write(file, bytes);
  }

  private static void readAll(StoredTensors tensors) {
    for (String name : tensors.names()) {
      // The larger arrays of both kinds.
      switch (ElementType.of(tensors.entry(name).dtype()).kind()) {
        case REAL -> tensors.doubles(name);
        case INTEGER -> tensors.longs(name);
        case OPAQUE -> {}
      }
    }
  }

  private void shard(byte[] bytes) throws IOException {
    Path shard = folder.resolve("s");
    byte[] sound = Files.readAllBytes(shard);
    replace(shard, bytes);
    try {
      readAll(
          ShardedTensors.open(
              folder.resolve(WeightFiles.SHARDED_TORCH.fileName()), SafeTensors::open));
    } finally {
      replace(shard, sound);
    }
  }

  @Test
  @Timeout(value = 60, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void mutatedFilesAreReadOrRefused() throws IOException {
    // Sound files are read; and what classes allocate when they are loaded is no reader's.
    for (List<Case> cases : List.of(inMemory, inFiles)) {
      for (Case fuzzed : cases) {
        for (byte[] sound : fuzzed.sound) {
          fuzzed.reader.read(sound);
        }
      }
    }
    long start = System.nanoTime();
    long i = 0;
    for (; i < MUTATIONS && System.nanoTime() - start < SECONDS * 1_000_000_000L; i++) {
      List<Case> cases = i % FILES_EVERY == 0 ? inFiles : inMemory;
      Random random = new Random(i);
      run(cases.get(random.nextInt(cases.size())), random, i);
    }
    System.out.printf(
        "ReaderFuzzTest: %,d mutations in %.1f s, %.1f s of the processor%n",
        i, (System.nanoTime() - start) / 1e9, THREADS.getCurrentThreadCpuTime() / 1e9);
    for (List<Case> cases : List.of(inMemory, inFiles)) {
      for (Case done : cases) {
        System.out.printf(
            "  %-18s %,d accepted, %,d refused, at most %,d bytes allocated%n",
            done.name, done.accepted, done.refused, done.mostBytes);
        assertTrue(done.accepted > 0 && done.refused > 0, done.name);
      }
    }
  }

  private static void run(Case fuzzed, Random random, long number) {
    byte[] sound = fuzzed.sound[random.nextInt(fuzzed.sound.length)];
    byte[] bytes = Mutations.mutateWildly(sound, random);
    long allocated = THREADS.getCurrentThreadAllocatedBytes();
    long start = THREADS.getCurrentThreadCpuTime();
    try {
      fuzzed.reader.read(bytes);
      fuzzed.accepted++;
    } catch (CheckpointException e) {
      fuzzed.refused++;
      assertTrue(e.getMessage().length() < 20_000, "a message that nobody reads to its end");
    } catch (Throwable e) {
      fail("throws: " + describe(fuzzed, number, bytes), e);
    }
    // Of the processor, as the machine may be busy; whoever waits runs into the time-out.
    double seconds = (THREADS.getCurrentThreadCpuTime() - start) / 1e9;
    allocated = THREADS.getCurrentThreadAllocatedBytes() - allocated;
    fuzzed.mostBytes = Math.max(fuzzed.mostBytes, allocated);
    if (seconds > MOST_SECONDS || allocated > FIXED_BYTES + BYTES_PER_BYTE * bytes.length) {
      fail(seconds + " s, " + allocated + " bytes: " + describe(fuzzed, number, bytes));
    }
  }

  private static String describe(Case fuzzed, long number, byte[] bytes) {
    return "mutation " + number + " of " + fuzzed.name + ": " + HexFormat.of().formatHex(bytes);
  }
}
