package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

class ShardedTensorsTest {
  private static final String FIRST = "model-00001-of-00002.safetensors";
  private static final String SECOND = "model-00002-of-00002.safetensors";
  private static final String GOOD =
      "{'metadata':{'total_size':28},'weight_map':{'b':'S','a':'F','c':'F'}}";

  @TempDir Path folder;

  @BeforeEach
  void write() {
    new SafeTensorsWriter()
        .floats("a", Shape.of(2), () -> new float[] {1, 2})
        .floats("c", Shape.of(1), () -> new float[] {3})
        .write(folder.resolve(FIRST));
    new SafeTensorsWriter()
        .longs("b", Shape.of(2), () -> new long[] {4, 5})
        .write(folder.resolve(SECOND));
  }

  private Path index(String json) throws IOException {
    return Files.writeString(
        folder.resolve(WeightFiles.SHARDED_SAFETENSORS.fileName()),
        json.replace("'F'", "'" + FIRST + "'")
            .replace("'S'", "'" + SECOND + "'")
            .replace('\'', '"'));
  }

  private String refusal(String json) throws IOException {
    Path file = index(json);
    String message =
        assertThrows(CheckpointException.class, () -> WeightFiles.SHARDED_SAFETENSORS.open(folder))
            .getMessage();
    assertTrue(message.contains(file.toString()), message);
    assertTrue(message.length() < 10_000, message);
    return message;
  }

  @Test
  void readsAllShards() throws IOException {
    index(GOOD);
    StoredTensors tensors = WeightFiles.find(folder).orElseThrow().open(folder);
    assertEquals(List.of("b", "a", "c"), tensors.names());
    assertArrayEquals(new float[] {1, 2}, tensors.floats("a"));
    assertArrayEquals(new double[] {3}, tensors.doubles("c"));
    assertArrayEquals(new long[] {4, 5}, tensors.longs("b"));
    assertEquals(Shape.of(1), tensors.entry("c").shape());
    assertTrue(tensors.contains("a"));
    assertFalse(tensors.contains("d"));
    assertThrows(CheckpointException.class, () -> tensors.entry("d"));
  }

  @Test
  void readsShardsOfTorch() throws IOException {
    TorchFile whole = TorchFile.open(TestFiles.path("torch-2.13.bin"));
    Files.copy(TestFiles.path("torch-2.13.bin"), folder.resolve("t.bin"));
    Files.writeString(
        folder.resolve(WeightFiles.SHARDED_TORCH.fileName()),
        whole.names().stream()
            .map(name -> "\"" + name + "\":\"t.bin\"")
            .collect(Collectors.joining(",", "{\"weight_map\":{", "}}")));
    StoredTensors tensors = WeightFiles.find(folder).orElseThrow().open(folder);
    assertArrayEquals(whole.floats("permuted"), tensors.floats("permuted"));
  }

  /** Hugging Face's order; a folder may hold both formats. */
  @Test
  void safetensorsComeFirst() throws IOException {
    assertEquals(Optional.empty(), WeightFiles.find(folder));
    for (WeightFiles files :
        List.of(
            WeightFiles.SHARDED_TORCH,
            WeightFiles.TORCH,
            WeightFiles.SHARDED_SAFETENSORS,
            WeightFiles.SAFETENSORS)) {
      Files.writeString(folder.resolve(files.fileName()), "");
      assertEquals(Optional.of(files), WeightFiles.find(folder));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "[] | not a JSON object",
        "{} | lacks the object weight_map",
        "{'weight_map':{}} | lacks the object weight_map",
        "{'weight_map':[]} | must be an object",
        "{'weight_map':{'a':1}} | 'a' must have the name of a file",
        "{'weight_map':{'a':{'x':['F']}}} | 'a' must have the name of a file",
        "{'weight_map':{'a':'../x'}} | plain name",
        "{'weight_map':{'a':'/etc/passwd'}} | plain name",
        "{'weight_map':{'a':'.'}} | plain name",
        "{'weight_map':{'a':'x\\\\y'}} | plain name",
        "{'weight_map':{'a':''}} | plain name",
        "{'weight_map':{'a':'F','a':'F'}} | Duplicate",
        "{'weight_map':{'a':'F'}}x | JSON",
        "{'weight_map':{'a':'F'}}{} | goes on",
        "{'weight_map':{'a':'F' | JSON",
        "{'weight_map':{'a':'none.safetensors'}} | none.safetensors is missing",
        "{'weight_map':{'a':'F','b':'F','c':'F'}} | 'b' is not in model-00001",
        "{'weight_map':{'a':'F','b':'S'}} | 'c' is in model-00001-of-00002.safetensors but not",
      })
  void badIndexesAreRefused(String json, String part) throws IOException {
    String message = refusal(json);
    assertTrue(message.contains(part), message);
  }

  @Test
  void damagedShardsAreAllReported() throws IOException {
    Files.write(folder.resolve(FIRST), new byte[3]);
    Files.write(folder.resolve(SECOND), new byte[4]);
    String message = refusal(GOOD);
    assertTrue(message.contains(FIRST) && message.contains(SECOND), message);
    assertTrue(message.contains("3 bytes") && message.contains("4 bytes"), message);
  }

  @Test
  void hugeIndexesAreRefused() throws IOException {
    try (var channel =
        Files.newByteChannel(
            folder.resolve(WeightFiles.SHARDED_SAFETENSORS.fileName()),
            java.nio.file.StandardOpenOption.CREATE,
            java.nio.file.StandardOpenOption.WRITE)) {
      channel.position(1L << 40).write(java.nio.ByteBuffer.wrap(new byte[1]));
    }
    assertTrue(
        assertThrows(CheckpointException.class, () -> WeightFiles.SHARDED_SAFETENSORS.open(folder))
            .getMessage()
            .contains("at most"));
  }
}
