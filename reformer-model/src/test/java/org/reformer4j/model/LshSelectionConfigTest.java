package org.reformer4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.api.LshSelection;
import org.reformer4j.model.checkpoint.ConfigJson;

/** The choice of the selection, and what follows for the buckets. */
class LshSelectionConfigTest {
  @TempDir private Path folder;

  private static ReformerConfigBuilder causal() {
    return ReformerConfig.builder()
        .lshSelection(LshSelection.CAUSAL)
        .axialPosEmbds(false)
        .maxPositionEmbeddings(4096)
        .lshAttnChunkLength(64);
  }

  private ReformerConfig parse(String json) throws IOException {
    return ConfigJson.read(Files.writeString(folder.resolve("config.json"), json));
  }

  @Test
  void configsKeepTheChoicesAndOthersMeanHuggingFace() throws IOException {
    ReformerConfig config = causal().lshDistinctKeys(true).build();
    String json = ConfigJson.toJson(config);
    assertTrue(json.contains("\"lsh_selection\" : \"causal\""), json);
    assertTrue(json.contains("\"lsh_distinct_keys\" : true"), json);
    assertEquals(config, parse(json));
    assertEquals(config, config.toBuilder().build());
    String plain = ConfigJson.toJson(ReformerConfig.builder().build());
    assertFalse(plain.contains("lsh_selection") || plain.contains("lsh_distinct_keys"), plain);
    assertEquals(LshSelection.SORTED, parse(plain).lshSelection());
    assertFalse(parse(plain).lshDistinctKeys());
    String wrong = json.replace("\"causal\"", "\"past\"");
    CheckpointException error = assertThrows(CheckpointException.class, () -> parse(wrong));
    assertTrue(error.getMessage().contains("[sorted, causal]"), error.getMessage());
  }

  @Test
  void bucketsOfCausalSelectionDoNotDependOnTheLength() {
    ReformerConfig config = causal().build();
    assertEquals(List.of(32), config.bucketFactors(64));
    assertEquals(List.of(32), config.bucketFactors(4096));
    ReformerConfig sorted = config.toBuilder().lshSelection(LshSelection.SORTED).build();
    assertEquals(List.of(2), sorted.bucketFactors(64));
    assertEquals(List.of(128), sorted.bucketFactors(4096));
  }

  @Test
  void theReachIsThatOfAnAverageBucket() {
    assertEquals(32 * 64, causal().build().reach());
    assertEquals(32 * 64 * 2, causal().lshNumChunksBefore(2).build().reach());
    assertEquals(8 * 64 * 2, causal().lshNumChunksBefore(2).numBuckets(List.of(8)).build().reach());
    ReformerConfig sorted = causal().lshSelection(LshSelection.SORTED).build();
    assertEquals(Long.MAX_VALUE, sorted.reach());
  }
}
