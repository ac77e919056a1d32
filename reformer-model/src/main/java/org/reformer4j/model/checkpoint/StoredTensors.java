package org.reformer4j.model.checkpoint;

import java.util.List;
import org.reformer4j.api.Shape;

/**
 * Named tensors of a checkpoint, in one file or several. Names, types and shapes are known and
 * checked; data is read when it is asked for.
 */
public interface StoredTensors {
  /** What is known of a tensor without reading it. */
  interface Entry {
    /** Returns the name of the tensor. */
    String name();

    /** Returns the type of the elements, as safetensors files name it: F32, BF16, I64 ... */
    String dtype();

    /** Returns the extents. */
    Shape shape();
  }

  /** Returns the names of all tensors, in the order of the files. */
  List<String> names();

  /**
   * Returns whether there is a tensor of that name.
   *
   * @param name name of a tensor
   */
  boolean contains(String name);

  /**
   * Returns type and shape of a tensor.
   *
   * @param name name of the tensor
   * @throws org.reformer4j.api.CheckpointException if there is none
   */
  Entry entry(String name);

  /**
   * Returns the elements of a tensor of F32, F16, BF16 or F64, the last rounded, row by row. The
   * array takes what the shape says, which a caller who does not trust the file compares first.
   *
   * @param name name of the tensor
   * @throws org.reformer4j.api.CheckpointException if there is none, its type is another, it
   *     exceeds an array, or the file cannot be read or has changed
   */
  float[] floats(String name);

  /**
   * Returns the elements of a tensor of F64, F32, F16 or BF16, row by row.
   *
   * @param name name of the tensor
   * @throws org.reformer4j.api.CheckpointException if there is none, its type is another, it
   *     exceeds an array, or the file cannot be read or has changed
   */
  double[] doubles(String name);

  /**
   * Returns the elements of a tensor of I64, I32, I16, I8, U64, U32, U16, U8 or BOOL (0 or 1), row
   * by row.
   *
   * @param name name of the tensor
   * @throws org.reformer4j.api.CheckpointException if there is none, its type is another, a value
   *     is out of range, it exceeds an array, or the file cannot be read or has changed
   */
  long[] longs(String name);
}
