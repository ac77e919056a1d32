package org.reformer4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reformer4j.api.CheckpointException;
import org.reformer4j.model.Batch;
import org.reformer4j.model.text.ByteTokenizer;

class MaskedTextTest {
  private static final int MASK = 1;

  @TempDir Path folder;

  @Test
  void theSharesAreThoseOfBert() {
    int[] ids = new int[100_000];
    Arrays.fill(ids, 50);
    int[] targets = new int[ids.length];
    int[] masked = ids.clone();
    MaskedText.mask(masked, targets, MASK, 258, new Random(3));
    int counted = 0;
    int masks = 0;
    int kept = 0;
    for (int i = 0; i < ids.length; i++) {
      if (targets[i] == Batch.IGNORE) {
        assertEquals(50, masked[i]);
      } else {
        assertEquals(50, targets[i]);
        counted++;
        masks += masked[i] == MASK ? 1 : 0;
        kept += masked[i] == 50 ? 1 : 0;
      }
    }
    assertEquals(0.15, counted / 1e5, 0.005);
    assertEquals(0.8, masks / (double) counted, 0.02);
    assertEquals(0.1, kept / (double) counted, 0.02);
  }

  @Test
  void windowsWithoutMasksAreLeftOut() {
    int[] ids = new int[1000];
    Arrays.fill(ids, 50);
    int windows = MaskedText.windows(ids, 1, MASK, 258, 3).size();
    assertEquals(0.15, windows / 1000.0, 0.04);
    assertEquals(10, MaskedText.windows(ids, 100, MASK, 258, 3).size());
    assertEquals(960, MaskedText.windows(ids, 960, MASK, 258, 3).longest());
    Arrays.fill(ids, MASK);
    assertEquals(0, MaskedText.windows(ids, 100, MASK, 258, 3).size());
  }

  @Test
  void theMaskIsAskedForOrNamed() throws IOException {
    ByteTokenizer bytes = new ByteTokenizer();
    assertEquals(1, MaskedText.mask("1", folder, bytes));
    assertEquals(97, MaskedText.mask("_", folder, bytes));
    refused("no id of 0..257", "258");
    refused("6 tokens", "<mask>");
    refused("--mask-token", null);
    Path file = folder.resolve("tokenizer_config.json");
    Files.writeString(file, "{\"mask_token\": {\"content\": \"~\"}}");
    assertEquals('~' + 2, MaskedText.mask(null, folder, bytes));
    Files.writeString(folder.resolve("special_tokens_map.json"), "{\"mask_token\": \"*\"}");
    assertEquals('*' + 2, MaskedText.mask(null, folder, bytes));
    Files.writeString(folder.resolve("special_tokens_map.json"), "{\"mask");
    assertThrows(CheckpointException.class, () -> MaskedText.mask(null, folder, bytes));
  }

  private void refused(String words, String asked) {
    Throwable error =
        assertThrows(
            IllegalArgumentException.class,
            () -> MaskedText.mask(asked, folder, new ByteTokenizer()));
    assertTrue(error.getMessage().contains(words), error.getMessage());
  }
}
