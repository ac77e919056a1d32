package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.HashSpec;
import org.reformer4j.model.checkpoint.ConfigJson;

/** The choice of integer hashing, and who can draw rotations for it. */
class LshHashingConfigTest {
  private static final HashSpec HASH = HashSpec.of(3, 8);

  @TempDir private Path folder;

  private static ReformerConfigBuilder integers() {
    return ReformerConfig.builder().lshHashing(LshHashing.INTEGER);
  }

  private ReformerConfig parse(String json) throws IOException {
    return ConfigJson.read(Files.writeString(folder.resolve("config.json"), json));
  }

  @Test
  void configsKeepTheChoiceAndOthersMeanFloat() throws IOException {
    ReformerConfig config = integers().build();
    String json = ConfigJson.toJson(config);
    assertTrue(json.contains("\"lsh_hashing\" : \"integer\""), json);
    assertEquals(config, parse(json));
    assertEquals(config, config.toBuilder().build());
    String plain = ConfigJson.toJson(ReformerConfig.builder().build());
    assertFalse(plain.contains("lsh_hashing"), plain);
    assertEquals(LshHashing.FLOAT, parse(plain).lshHashing());
    String wrong = json.replace("\"integer\"", "\"int\"");
    CheckpointException error = assertThrows(CheckpointException.class, () -> parse(wrong));
    assertTrue(error.getMessage().contains("lsh_hashing"), error.getMessage());
    assertTrue(error.getMessage().contains("[float, integer]"), error.getMessage());
  }

  @Test
  void wideHeadsAndTorchRotationsAreRefused() {
    assertEquals(128, integers().attentionHeadSize(128).build().attentionHeadSize());
    InvalidConfigException error =
        assertThrows(
            InvalidConfigException.class,
            () -> integers().attentionHeadSize(129).hashSeed(3).build());
    assertTrue(error.getMessage().contains("attention_head_size is 129"), error.getMessage());
    assertTrue(error.getMessage().contains("at most 128"), error.getMessage());
    assertTrue(error.getMessage().contains("hash_seed"), error.getMessage());
    assertTrue(error.getMessage().contains("set lsh_hashing to float"), error.getMessage());
    // Nothing is hashed without LSH layers.
    integers().attnLayers(AttentionKind.LOCAL).attentionHeadSize(500).build();
  }

  @Test
  void onlyTheCounterBasedGeneratorHasIntegers() {
    Rotations counted = Rotations.counterBased(7, 2);
    byte[] drawn = counted.drawIntegers(1, 2, 5, HASH);
    assertEquals(2 * 5 * 3 * 4, drawn.length);
    assertArrayEquals(drawn, Rotations.counterBased(7, 2).drawIntegers(1, 2, 5, HASH));
    assertFalse(Arrays.equals(drawn, counted.drawIntegers(2, 2, 5, HASH)), "another layer");
    for (Rotations floats :
        new Rotations[] {
          Rotations.torch(3), Rotations.given(Map.of()), (layer, heads, size, hash) -> new float[0]
        }) {
      IllegalArgumentException error =
          assertThrows(IllegalArgumentException.class, () -> floats.drawIntegers(1, 2, 5, HASH));
      assertTrue(error.getMessage().contains("set lsh_hashing to float"), error.getMessage());
    }
  }

  /** The first moments of a normal distribution times 32. */
  @Test
  void integersAreRoundedNormalNumbers() {
    byte[] drawn = Rotations.counterBased(1, 0).drawIntegers(0, 8, 64, HashSpec.of(4, 64));
    double mean = IntStream.range(0, drawn.length).map(i -> drawn[i]).average().orElseThrow();
    double square =
        IntStream.range(0, drawn.length).map(i -> drawn[i] * drawn[i]).average().orElseThrow();
    // Five standard errors of 65,536 numbers.
    assertEquals(0, mean, 5 * 32 / Math.sqrt(drawn.length));
    assertEquals(32 * 32, square, 5 * 32 * 32 * Math.sqrt(2.0 / drawn.length));
  }

  @Test
  void integersOfALayerAreSharedByItsHeads() {
    Rotations perHead = Rotations.counterBased(3, 1);
    byte[] shared = Dialect.LUCIDRAINS.rotations(perHead).drawIntegers(1, 3, 5, HASH);
    assertEquals(3 * 60, shared.length);
    for (int head = 0; head < 3; head++) {
      assertArrayEquals(
          perHead.drawIntegers(1, 1, 5, HASH),
          Arrays.copyOfRange(shared, head * 60, head * 60 + 60));
    }
    assertArrayEquals(
        perHead.drawIntegers(1, 3, 5, HASH),
        Dialect.TRAX.rotations(perHead).drawIntegers(1, 3, 5, HASH));
  }
}
