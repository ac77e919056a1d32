package org.reformer4j.api;

import java.util.Arrays;

/** Immutable extents of a tensor; a scalar has none. */
public final class Shape {
  private final long[] dims;
  private final long elements;

  private Shape(long[] dims) {
    this.dims = dims;
    long product = 1;
    for (long dim : dims) {
      if (dim < 0) {
        throw new IllegalArgumentException(
            "a dimension is negative in shape " + Arrays.toString(dims));
      }
      product = Math.multiplyExact(product, dim);
    }
    this.elements = product;
  }

  /**
   * Returns the shape with these extents.
   *
   * @param dims extents, outermost first; none for a scalar
   * @throws IllegalArgumentException if one is negative
   * @throws ArithmeticException if the number of elements exceeds a long
   */
  public static Shape of(long... dims) {
    return new Shape(dims.clone());
  }

  /** Returns the number of axes. */
  public int rank() {
    return dims.length;
  }

  /**
   * Returns one extent.
   *
   * @param axis 0 is the outermost
   */
  public long dim(int axis) {
    return dims[axis];
  }

  /** Returns the product of all extents. */
  public long elements() {
    return elements;
  }

  /** Returns the innermost extent, 1 for a scalar. */
  public long columns() {
    return dims.length == 0 ? 1 : dims[dims.length - 1];
  }

  /** Returns the product of all extents but the innermost. */
  public long rows() {
    long product = 1;
    for (int i = 0; i < dims.length - 1; i++) {
      product *= dims[i];
    }
    return product;
  }

  /** Returns a copy of the extents. */
  public long[] dims() {
    return dims.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(dims);
  }

  /** Returns the extents in brackets, such as {@code [2, 128, 64]}. */
  @Override
  public String toString() {
    return Arrays.toString(dims);
  }
}
