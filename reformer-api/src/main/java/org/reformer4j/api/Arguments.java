package org.reformer4j.api;

import java.util.List;
import java.util.stream.Collectors;

/** Checks of tensor arguments with messages that name letters, numbers and the fix. */
public final class Arguments {
  private Arguments() {}

  /**
   * Checks that there is a tensor of one of several types, before its shape is asked for.
   *
   * @param op operation, for the message
   * @param name parameter, for the message
   * @param tensor what was given
   * @param letters expected shape in letters, such as {@code [N, D]}
   * @param types expected types
   * @throws IllegalArgumentException if it is null or of another type
   */
  public static void oneOf(String op, String name, Tensor tensor, String letters, DType... types) {
    List<DType> list = List.of(types);
    if (tensor != null && list.contains(tensor.type())) {
      return;
    }
    String expected = list.stream().map(DType::name).collect(Collectors.joining(" or "));
    throw wrong(op, name, tensor, expected + " " + letters);
  }

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
    if (tensor == null || tensor.type() != type) {
      throw wrong(op, name, tensor, type + " " + letters);
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
    if (tensor == null
        || tensor.type() != type
        || tensor.rows() != rows
        || tensor.columns() != columns) {
      throw wrong(op, name, tensor, type + " " + letters + " = [" + rows + ", " + columns + "]");
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
    if (tensor == null
        || tensor.type() != type
        || tensor.elements() != elements
        || !tensor.contiguous()) {
      throw wrong(
          op,
          name,
          tensor,
          "contiguous " + type + " " + letters + " with " + elements + " elements");
    }
  }

  /**
   * Checks type and number of elements of what moves between host and device.
   *
   * @param op operation, for the message
   * @param tensor what was given
   * @param elements expected number of elements
   * @param types expected types
   * @throws IllegalArgumentException if it has another type or number of elements
   */
  public static void elements(String op, Tensor tensor, long elements, DType... types) {
    List<DType> list = List.of(types);
    if (!list.contains(tensor.type()) || tensor.elements() != elements) {
      throw new IllegalArgumentException(
          op
              + ": "
              + tensor
              + " has "
              + tensor.elements()
              + " elements, but "
              + elements
              + " of type "
              + list.stream().map(DType::name).collect(Collectors.joining(" or "))
              + " are given or wanted");
    }
  }

  /** Returns the refusal of a number that should be an index. */
  public static IllegalArgumentException wrongIndex(
      String op, String name, long place, long limit, int value) {
    return new IllegalArgumentException(
        op + ": " + name + "[" + place + "] must be in 0.." + (limit - 1) + ", got " + value);
  }

  /** Returns the refusal of a number that should be a row of a cache. */
  public static IllegalArgumentException wrongRow(
      String op, String name, long place, long limit, int value) {
    return new IllegalArgumentException(
        op
            + ": "
            + name
            + "["
            + place
            + "] must be -1 for none or in 0.."
            + (limit - 1)
            + ", got "
            + value);
  }

  /** Returns the refusal of a number that should be a target of {@link Kernels#crossEntropy}. */
  public static IllegalArgumentException wrongTarget(
      long place, int ignoreIndex, long limit, int value) {
    return new IllegalArgumentException(
        "crossEntropy: targets["
            + place
            + "] must be "
            + ignoreIndex
            + " or in 0.."
            + (limit - 1)
            + ", got "
            + value);
  }

  private static IllegalArgumentException wrong(
      String op, String name, Tensor tensor, String expected) {
    String text = op + ": " + name + " must be " + expected + ", got " + tensor;
    if (tensor != null && tensor.type() == DType.BF16 && !expected.contains("BF16")) {
      text += ": this backend does not compute on BF16 here, give it F32";
    }
    return new IllegalArgumentException(text);
  }
}
