package org.reformer4j.model.checkpoint;

import java.nio.file.Path;
import org.reformer4j.api.CheckpointException;

/** What is checked before the data of a tensor is read, whatever the format. */
final class EntryChecks {
  /** Some virtual machines cannot make arrays of the last few lengths. */
  private static final int LONGEST_ARRAY = Integer.MAX_VALUE - 8;

  private EntryChecks() {}

  /**
   * Returns the type of a tensor.
   *
   * @throws CheckpointException if its values cannot be read as that kind
   */
  static ElementType type(Path path, StoredTensors.Entry entry, ElementType.Kind kind) {
    ElementType type = ElementType.of(entry.dtype());
    if (type.kind() != kind) {
      throw new CheckpointException(
          path
              + ": tensor "
              + Problems.quote(entry.name())
              + " has dtype "
              + type
              + ", which cannot be read as "
              + (kind == ElementType.Kind.REAL ? "real numbers" : "integers"));
    }
    return type;
  }

  /**
   * Returns the number of elements of a tensor.
   *
   * @throws CheckpointException if an array cannot hold them
   */
  static int arrayLength(Path path, StoredTensors.Entry entry) {
    if (entry.shape().elements() > LONGEST_ARRAY) {
      throw new CheckpointException(
          path
              + ": tensor "
              + Problems.quote(entry.name())
              + " of shape "
              + entry.shape()
              + " exceeds an array; read it in runs");
    }
    return (int) entry.shape().elements();
  }
}
