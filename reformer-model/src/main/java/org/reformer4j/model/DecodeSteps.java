package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.TensorScope;

/**
 * How the steps of a cache are issued: operation by operation, or, where the backend gains by it,
 * as a recording, once a cache has grown by one token at a time for a while.
 */
final class DecodeSteps {
  /** Steps of one token before a recording is expected to pay: a beam search forks before. */
  private static final int TRIED = 2;

  private final DecodePasses passes;
  private final DecodeCache cache;
  private RecordedSteps recorded;
  private int single;
  private boolean hasNoRoom;

  DecodeSteps(DecodePasses passes, DecodeCache cache) {
    this.passes = passes;
    this.cache = cache;
  }

  /**
   * Takes the tokens that the cache is adding through the layers.
   *
   * @param tokens [B], of each sequence
   * @param from which of them come first
   * @param logits [B, V], receives those of the sequences whose last token is among them
   * @param scope of the cache's family
   */
  void step(int[][] tokens, int from, float[] logits, TensorScope scope) {
    boolean one = Arrays.stream(tokens).allMatch(row -> row.length == 1);
    if (!one) {
      settle();
    } else if (recorded != null && !recorded.serves()) {
      end();
    }
    if (one && recorded == null && single >= TRIED) {
      begin(scope);
    }
    if (recorded != null) {
      recorded.step(tokens, logits);
      return;
    }
    passes.step(cache, tokens, from, logits);
    single = one ? single + 1 : 0;
  }

  private void begin(TensorScope family) {
    if (hasNoRoom
        || !passes.backend().records()
        || !RecordedSteps.canBegin(cache, passes.config())) {
      return;
    }
    TensorScope scope = family.child("recorded-steps");
    try {
      recorded = RecordedSteps.begin(passes, cache, scope);
    } catch (OutOfDeviceMemoryException e) {
      // A recording needs a little more memory than a step, and only saves time.
      hasNoRoom = true;
      System.getLogger(DecodeSteps.class.getName())
          .log(
              System.Logger.Level.INFO,
              "decoding goes on without a recording: {0}",
              e.getMessage());
    } finally {
      if (recorded == null) {
        scope.close();
      }
    }
  }

  /** Ends recorded steps, before anything but one more token of each sequence happens. */
  void settle() {
    end();
    single = 0;
    hasNoRoom = false;
  }

  private void end() {
    if (recorded != null) {
      RecordedSteps ended = recorded;
      recorded = null;
      try (ended) {
        ended.settle();
      }
    }
  }

  /** Forgets recorded steps, whose tokens are forgotten, too. */
  void forget() {
    if (recorded != null) {
      recorded.close();
      recorded = null;
    }
    single = 0;
  }
}
