package org.reformer4j.model.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.Shape;

class WeightsWriterTest {
  @TempDir Path folder;

  private static float[] numbers(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = i * 0.37f - 2.5f;
    }
    return values;
  }

  /** The tensors of make.py's layout, in another order. */
  private static WeightsWriter layout(WeightType type) {
    return new WeightsWriter(type)
        .add("c.2", Shape.of(7), () -> numbers(7))
        .add("c.10", Shape.of(0, 2), () -> numbers(0))
        .add("a", Shape.of(), () -> new float[] {2.71828f})
        .add("b.weight", Shape.of(3, 5), () -> numbers(15))
        .add("b.bias", Shape.of(4), () -> new float[] {1e-6f, -6.1e-5f, 1f / 3, 65503f});
  }

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @ParameterizedTest
  @EnumSource
  void writesTheBytesOfHuggingFace(WeightType type) throws IOException {
    assertEquals(List.of("model.safetensors"), layout(type).write(folder, 1000));
    Path expected = TestFiles.path("layout-" + type.label() + ".safetensors");
    Path actual = folder.resolve("model.safetensors");
    assertEquals(
        -1, Files.mismatch(expected, actual), () -> "first byte that differs from " + expected);
    assertEquals(List.of("model.safetensors"), files());
  }

  @ParameterizedTest
  @EnumSource
  void shardsHoldTheSameTensors(WeightType type) throws IOException {
    // Of 2 to 4 bytes: a 1, b.bias 4, b.weight 15, c.10 0, c.2 7 elements.
    int bytes = type.bytes();
    List<String> written = layout(type).write(folder, 7L * bytes);
    assertEquals(
        List.of(
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "model.safetensors.index.json"),
        written);
    assertEquals(written, files());
    assertEquals(
        List.of("b.weight"),
        SafeTensors.open(folder.resolve(written.get(1))).names(),
        "a longer tensor stands alone");
    JsonNode index = StrictJson.MAPPER.readTree(Files.readString(folder.resolve(written.get(3))));
    assertEquals(27 * bytes, index.at("/metadata/total_size").intValue());
    assertEquals(written.get(0), index.at("/weight_map/a").textValue());
    assertEquals(5, index.at("/weight_map").size());
    StoredTensors actual = WeightFiles.find(folder).orElseThrow().open(folder);
    SafeTensors expected =
        SafeTensors.open(TestFiles.path("layout-" + type.label() + ".safetensors"));
    assertEquals(expected.names(), actual.names());
    for (String name : expected.names()) {
      assertArrayEquals(expected.floats(name), actual.floats(name), name);
    }
    CheckpointException again =
        assertThrows(CheckpointException.class, () -> layout(type).write(folder, 7L * bytes));
    assertTrue(again.getMessage().contains("another folder"), again.getMessage());
  }

  @Test
  void numbersThatDoNotFitAreRefused() throws IOException {
    WeightsWriter writer = new WeightsWriter(WeightType.FLOAT16);
    writer.add("big", Shape.of(2), () -> new float[] {1, 70_000});
    String message =
        assertThrows(CheckpointException.class, () -> writer.write(folder, 100)).getMessage();
    assertTrue(message.contains("'big'") && message.contains("70000"), message);
    assertEquals(List.of(), files());
    WeightsWriter bfloat16 = new WeightsWriter(WeightType.BFLOAT16);
    bfloat16.add("big", Shape.of(1), () -> new float[] {Float.MAX_VALUE});
    assertThrows(CheckpointException.class, () -> bfloat16.write(folder, 100));
    float[] special = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, -0f};
    new WeightsWriter(WeightType.FLOAT16).add("x", Shape.of(4), () -> special).write(folder, 100);
    assertArrayEquals(special, SafeTensors.open(folder.resolve("model.safetensors")).floats("x"));
  }
}
