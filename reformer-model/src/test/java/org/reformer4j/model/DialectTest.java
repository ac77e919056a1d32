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
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.HashSpec;
import org.reformer4j.model.Dialect.BucketRule;
import org.reformer4j.model.Dialect.LogitScale;
import org.reformer4j.model.checkpoint.ConfigJson;

class DialectTest {
  @TempDir private Path folder;

  private ReformerConfig parse(String json) throws IOException {
    return ConfigJson.read(Files.writeString(folder.resolve("config.json"), json));
  }

  private static List<Integer> buckets(BucketRule rule, int length) {
    return ReformerConfig.builder()
        .lshAttnChunkLength(64)
        .dialect(Dialect.HUGGING_FACE.with(rule))
        .build()
        .bucketFactors(length);
  }

  @Test
  void bucketsFollowTheRule() {
    assertEquals(List.of(4), buckets(BucketRule.HUGGING_FACE, 192));
    assertEquals(List.of(6), buckets(BucketRule.TRAX, 192));
    assertEquals(List.of(2), buckets(BucketRule.LUCIDRAINS, 192));
    assertEquals(List.of(128), buckets(BucketRule.TRAX, 4096));
    assertEquals(List.of(64), buckets(BucketRule.LUCIDRAINS, 4096));
    // 160: the least power of two whose square reaches it is 16, and 160 / 32 = 5.
    assertEquals(List.of(16, 10), buckets(BucketRule.TRAX, 80 * 64));
    assertEquals(List.of(64, 32), buckets(BucketRule.TRAX, 65536));
    assertEquals(List.of(1024), buckets(BucketRule.LUCIDRAINS, 65536));
    for (BucketRule rule : BucketRule.values()) {
      for (int length = 1; length < 1 << 28; length = length * 3 / 2 + 1) {
        List<Integer> factors = buckets(rule, length);
        assertTrue(
            factors.stream().allMatch(f -> f >= 2 && f % 2 == 0), rule + " " + length + factors);
      }
    }
  }

  @Test
  void rotationsOfALayerAreSharedByItsHeads() {
    Rotations perHead = Rotations.counterBased(3, 1);
    HashSpec hash = HashSpec.of(2, 8);
    float[] shared = Dialect.LUCIDRAINS.rotations(perHead).draw(1, 3, 5, hash);
    assertEquals(3 * 5 * 2 * 4, shared.length);
    for (int head = 0; head < 3; head++) {
      assertArrayEquals(
          perHead.draw(1, 1, 5, hash), Arrays.copyOfRange(shared, head * 40, head * 40 + 40));
    }
    assertArrayEquals(
        perHead.draw(1, 3, 5, hash), Dialect.TRAX.rotations(perHead).draw(1, 3, 5, hash));
  }

  @Test
  void configsKeepTheDialect() throws IOException {
    ReformerConfig lucidrains = ReformerConfig.builder().dialect(Dialect.LUCIDRAINS).build();
    String json = ConfigJson.toJson(lucidrains);
    assertTrue(json.contains("\"lsh_logit_scale\" : \"head_size\""), json);
    assertTrue(json.contains("\"num_buckets_rule\" : \"lucidrains\""), json);
    assertEquals(lucidrains, parse(json));
    String plain = ConfigJson.toJson(ReformerConfig.builder().build());
    assertFalse(plain.contains("rule") || plain.contains("scale") || plain.contains("scope"));
    Dialect mixed = Dialect.TRAX.with(LogitScale.HEAD_SIZE);
    ReformerConfig config = lucidrains.toBuilder().dialect(mixed).build();
    assertEquals(mixed, parse(ConfigJson.toJson(config)).dialect());
    CheckpointException error =
        assertThrows(
            CheckpointException.class, () -> parse(json.replace("\"head_size\"", "\"sqrt\"")));
    assertTrue(error.getMessage().contains("lsh_logit_scale"), error.getMessage());
    assertTrue(error.getMessage().contains("[unit, head_size]"), error.getMessage());
  }
}
