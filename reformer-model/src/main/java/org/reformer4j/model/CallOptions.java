package org.reformer4j.model;

import java.util.OptionalInt;

/**
 * What a single call may set.
 *
 * @param training whether dropout is on
 * @param seed seed of dropout and of counter-based rotations
 * @param step number of the call within a run; with the seed it fixes all randomness
 * @param numHashes hash rounds instead of the config's
 * @param rotations who draws the rotations, or null: torch's generator where the config has a
 *     {@code hash_seed}, else the counter-based one
 * @param headMask [H] factors on the heads' attention outputs, or null
 * @param trace who watches
 */
public record CallOptions(
    boolean training,
    long seed,
    long step,
    OptionalInt numHashes,
    Rotations rotations,
    float[] headMask,
    Trace trace) {
  /** Evaluation: no dropout, the same rotations in every call. */
  public static final CallOptions EVALUATION =
      new CallOptions(false, 0, 0, OptionalInt.empty(), null, null, Trace.NONE);

  /**
   * Training: dropout and rotations of a step.
   *
   * @param seed seed of the run
   * @param step number of the pass within the run
   */
  public static CallOptions training(long seed, long step) {
    return new CallOptions(true, seed, step, OptionalInt.empty(), null, null, Trace.NONE);
  }

  /**
   * Returns these options with another number of hash rounds.
   *
   * @param rounds R
   */
  public CallOptions withNumHashes(int rounds) {
    return new CallOptions(
        training, seed, step, OptionalInt.of(rounds), rotations, headMask, trace);
  }

  /**
   * Returns these options with rotations.
   *
   * @param rotations who draws them
   */
  public CallOptions withRotations(Rotations rotations) {
    return new CallOptions(training, seed, step, numHashes, rotations, headMask, trace);
  }

  /**
   * Returns these options with a head mask.
   *
   * @param headMask [H]
   */
  public CallOptions withHeadMask(float[] headMask) {
    return new CallOptions(training, seed, step, numHashes, rotations, headMask.clone(), trace);
  }

  /**
   * Returns these options with an observer.
   *
   * @param trace who watches
   */
  public CallOptions withTrace(Trace trace) {
    return new CallOptions(training, seed, step, numHashes, rotations, headMask, trace);
  }
}
