package org.reformer4j.model;

import java.util.Objects;
import java.util.OptionalInt;
import java.util.OptionalLong;

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
 * @param memory what the layers of a training step keep
 * @param memoryBytes how much {@link MemoryPolicy#AUTO} may keep, empty for what the backend has
 *     left
 * @param trace who watches
 */
public record CallOptions(
    boolean training,
    long seed,
    long step,
    OptionalInt numHashes,
    Rotations rotations,
    float[] headMask,
    MemoryPolicy memory,
    OptionalLong memoryBytes,
    Trace trace) {
  /** Checks that nothing needed is missing. */
  public CallOptions {
    Objects.requireNonNull(numHashes, "numHashes");
    Objects.requireNonNull(memory, "memory");
    Objects.requireNonNull(memoryBytes, "memoryBytes");
    Objects.requireNonNull(trace, "trace");
  }

  /** Evaluation: no dropout, the same rotations in every call. */
  public static final CallOptions EVALUATION = base(false, 0, 0);

  /**
   * Training: dropout and rotations of a step.
   *
   * @param seed seed of the run
   * @param step number of the pass within the run
   */
  public static CallOptions training(long seed, long step) {
    return base(true, seed, step);
  }

  private static CallOptions base(boolean training, long seed, long step) {
    return new CallOptions(
        training,
        seed,
        step,
        OptionalInt.empty(),
        null,
        null,
        MemoryPolicy.RECOMPUTE,
        OptionalLong.empty(),
        Trace.NONE);
  }

  /**
   * Returns these options with another number of hash rounds.
   *
   * @param rounds R
   */
  public CallOptions withNumHashes(int rounds) {
    return new CallOptions(
        training,
        seed,
        step,
        OptionalInt.of(rounds),
        rotations,
        headMask,
        memory,
        memoryBytes,
        trace);
  }

  /**
   * Returns these options with rotations.
   *
   * @param rotations who draws them
   */
  public CallOptions withRotations(Rotations rotations) {
    return new CallOptions(
        training, seed, step, numHashes, rotations, headMask, memory, memoryBytes, trace);
  }

  /**
   * Returns these options with a head mask.
   *
   * @param headMask [H]
   */
  public CallOptions withHeadMask(float[] headMask) {
    return new CallOptions(
        training, seed, step, numHashes, rotations, headMask.clone(), memory, memoryBytes, trace);
  }

  /**
   * Returns these options with an observer.
   *
   * @param trace who watches
   */
  public CallOptions withTrace(Trace trace) {
    return new CallOptions(
        training, seed, step, numHashes, rotations, headMask, memory, memoryBytes, trace);
  }

  /**
   * Returns these options with another memory policy.
   *
   * @param memory what the layers of a training step keep
   */
  public CallOptions withMemory(MemoryPolicy memory) {
    return new CallOptions(
        training, seed, step, numHashes, rotations, headMask, memory, memoryBytes, trace);
  }

  /**
   * Returns these options with {@link MemoryPolicy#AUTO} within a number of bytes.
   *
   * @param bytes how much all layers together may keep
   */
  public CallOptions withMemoryWithin(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("bytes to keep must not be negative, got " + bytes);
    }
    OptionalLong limit = OptionalLong.of(bytes);
    return new CallOptions(
        training, seed, step, numHashes, rotations, headMask, MemoryPolicy.AUTO, limit, trace);
  }
}
