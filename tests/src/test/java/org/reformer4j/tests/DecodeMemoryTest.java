package org.reformer4j.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.reformer4j.api.Backend;
import org.reformer4j.api.BackendOptions;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.model.Backends;
import org.reformer4j.model.Batch;
import org.reformer4j.model.CallOptions;
import org.reformer4j.model.DecodeCache;
import org.reformer4j.model.ReformerConfig;
import org.reformer4j.model.ReformerModel;

/** A cache whose room cannot grow stays as it was. */
class DecodeMemoryTest {
  private static final int PROMPT = 8;

  /** Tokens for which there is room behind a prompt. */
  private static final int ROOM = 56;

  private static final ReformerConfig CONFIG = TestModels.small(4).build();

  @Test
  void aStepThatFindsNoMemoryChangesNothing() {
    int[] tokens = TestModels.ids(ROOM + 2, 3);
    float[] expectedEarlier;
    long before;
    try (Backend backend = TestBackends.reference();
        ReformerModel model = ReformerModel.create(CONFIG, backend, 1);
        DecodeCache cache = model.decodeCache(CallOptions.EVALUATION)) {
      cache.prompt(Batch.of(TestModels.ids(PROMPT, 2)));
      cache.append(tokens[0]);
      expectedEarlier = cache.append(tokens[1]);
      for (int i = 2; i < ROOM; i++) {
        cache.append(tokens[i]);
      }
      before = backend.liveBytes();
      cache.append(tokens[ROOM]);
      assertTrue(backend.liveBytes() > before, "layers grow");
    }
    // Enough for the prompt, and for the first layer to grow, but not for all of them.
    BackendOptions options = new BackendOptions(1, before + 18_000);
    try (Backend backend = Backends.open("reference", options).backend();
        ReformerModel model = ReformerModel.create(CONFIG, backend, 1);
        DecodeCache cache = model.decodeCache(CallOptions.EVALUATION)) {
      cache.prompt(Batch.of(TestModels.ids(PROMPT, 2)));
      for (int i = 0; i < ROOM; i++) {
        cache.append(tokens[i]);
      }
      assertEquals(before, backend.liveBytes());
      assertThrows(OutOfDeviceMemoryException.class, () -> cache.append(tokens[ROOM]));
      assertTrue(backend.liveBytes() > before, "a layer has grown");
      assertThrows(OutOfDeviceMemoryException.class, () -> cache.append(tokens[ROOM]));
      assertEquals(PROMPT + ROOM, cache.length(0));
      cache.rewind(PROMPT + 1);
      assertArrayEquals(expectedEarlier, cache.append(tokens[1]));
    }
  }
}
