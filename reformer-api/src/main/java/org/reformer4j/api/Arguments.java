package org.reformer4j.api;

/** Checks of tensor arguments with messages that name letters, numbers and the fix. */
public final class Arguments {
  private Arguments() {}

  /**
   * Checks that there is a tensor of a type, before its shape is asked for.
   *
   * @param op operation, for the message
   * @param name parameter, for the message
   * @param tensor what was given
   * @param type expected type
   * @param letters expected shape in letters, such as {@code [N, D]}
   * @throws IllegalArgumentException if it is null or of another type
   */
  public static void typed(String op, String name, Tensor tensor, DType type, String letters) {
    if (tensor == null) {
      throw new IllegalArgumentException(op + ": " + name + " " + letters + " must not be null");
    }
    if (tensor.type() != type) {
      throw new IllegalArgumentException(
          op + ": " + name + " must be " + type + " " + letters + ", got " + tensor);
    }
  }

  /**
   * Checks type, rows and columns of a matrix view.
   *
   * @param op operation, for the message
   * @param name parameter, for the message
   * @param tensor what was given
   * @param type expected type
   * @param letters expected shape in letters, such as {@code [N, D]}
   * @param rows expected rows
   * @param columns expected columns
   * @throws IllegalArgumentException if anything differs
   */
  public static void matrix(
      String op, String name, Tensor tensor, DType type, String letters, long rows, long columns) {
    if (tensor == null) {
      throw new IllegalArgumentException(op + ": " + name + " " + letters + " must not be null");
    }
    if (tensor.type() != type || tensor.rows() != rows || tensor.columns() != columns) {
      throw new IllegalArgumentException(
          op
              + ": "
              + name
              + " must be "
              + type
              + " "
              + letters
              + " = ["
              + rows
              + ", "
              + columns
              + "], got "
              + tensor);
    }
  }

  /**
   * Checks type and number of elements of a contiguous tensor of any shape.
   *
   * @param op operation, for the message
   * @param name parameter, for the message
   * @param tensor what was given
   * @param type expected type
   * @param letters expected shape in letters, such as {@code [B, H, T]}
   * @param elements expected number of elements
   * @throws IllegalArgumentException if anything differs
   */
  public static void flat(
      String op, String name, Tensor tensor, DType type, String letters, long elements) {
    if (tensor == null) {
      throw new IllegalArgumentException(op + ": " + name + " " + letters + " must not be null");
    }
    if (tensor.type() != type || tensor.elements() != elements || !tensor.contiguous()) {
      throw new IllegalArgumentException(
          op
              + ": "
              + name
              + " must be contiguous "
              + type
              + " "
              + letters
              + " with "
              + elements
              + " elements, got "
              + tensor);
    }
  }
}
