package org.reformer4j.model;

import java.util.Arrays;
import org.reformer4j.api.OutOfDeviceMemoryException;
import org.reformer4j.api.TensorScope;

/**
 * How the steps of a cache are issued: operation by operation, or, where the backend gains by it,
 * as a recording, once a cache has grown by one token at a time for a while.
 */
final class DecodeSteps {
  /** Steps of one token before a recording is expected to pay. */
  private static final int LEAST_WAIT = 2;

  /** The tables of a recording are made on the host: tokens that cost as much as a step issued. */
  private static final int TOKENS_PER_STEP = 512;

  private static final int LONGEST_WAIT = 1 << 12;

  private final DecodePasses passes;
  private final DecodeCache cache;
  private RecordedSteps recorded;

  /** Steps of one token since anything else. */
  private int single;

  /** How many there have to be; more and more where recordings end before they paid. */
  private int wait = LEAST_WAIT;

  private boolean hasNoRoom;

  DecodeSteps(DecodePasses passes, DecodeCache cache) {
    this.passes = passes;
    this.cache = cache;
  }

  /** Takes over what another cache has learnt about the use of its tokens. */
  void learnFrom(DecodeSteps other) {
    wait = other.wait;
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
    if (one && recorded == null && !hasNoRoom && single >= waitNow()) {
      begin(scope);
    }
    if (recorded != null && !hasNoRoom) {
      try {
        recorded.step(tokens, logits);
        return;
      } catch (OutOfDeviceMemoryException e) {
        // The rows that it may have written are those that the step writes again.
        giveUp(e);
        end();
      }
    }
    passes.step(cache, tokens, from, logits);
    single = one ? single + 1 : 0;
  }

  private int waitNow() {
    int longest = Arrays.stream(cache.texts().lengths()).max().orElseThrow();
    return wait + longest / TOKENS_PER_STEP;
  }

  private void begin(TensorScope family) {
    if (!passes.backend().records() || !RecordedSteps.canBegin(cache, passes.config())) {
      return;
    }
    TensorScope scope = family.child("recorded-steps");
    try {
      recorded = RecordedSteps.begin(passes, cache, scope);
    } catch (OutOfDeviceMemoryException e) {
      giveUp(e);
    } finally {
      if (recorded == null) {
        scope.close();
      }
    }
  }

  /** A recording needs a little more memory than a step, and only saves time. */
  private void giveUp(OutOfDeviceMemoryException e) {
    hasNoRoom = true;
    System.getLogger(DecodeSteps.class.getName())
        .log(System.Logger.Level.INFO, "decoding goes on without a recording: {0}", e.getMessage());
  }

  /**
   * Ends recorded steps, before anything but one more token of each sequence happens. Where it
   * fails nothing has changed, and it has to be done again.
   */
  void settle() {
    if (recorded != null) {
      wait = recorded.replays() < single ? Math.min(2 * wait, LONGEST_WAIT) : LEAST_WAIT;
    }
    end();
    single = 0;
    hasNoRoom = false;
  }

  private void end() {
    if (recorded != null) {
      recorded.settle();
      drop();
    }
  }

  private void drop() {
    RecordedSteps ended = recorded;
    recorded = null;
    ended.close();
  }

  /** Lets recorded steps be ended before another step is done. */
  void spoil() {
    if (recorded != null) {
      recorded.spoil();
    }
  }

  /** Forgets recorded steps, whose tokens are forgotten, too. */
  void forget() {
    if (recorded != null) {
      drop();
    }
    single = 0;
    hasNoRoom = false;
  }
}
