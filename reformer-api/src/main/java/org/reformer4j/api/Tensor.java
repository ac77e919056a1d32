package org.reformer4j.api;

import java.util.Objects;

/**
 * A typed, shaped view of device memory. Has no arithmetic.
 *
 * <p>Every tensor is a matrix of {@link #rows} rows with {@link #columns} contiguous elements, the
 * rows {@link #rowStride} elements apart; axes before the last only say how the rows are counted.
 * Views share the storage and die with the scope that allocated it.
 */
public final class Tensor {
  private final DType type;
  private final Shape shape;
  private final Storage storage;
  private final TensorScope scope;
  private final long offset;
  private final long rowStride;

  Tensor(DType type, Shape shape, Storage storage, TensorScope scope, long offset, long rowStride) {
    this.type = type;
    this.shape = shape;
    this.storage = storage;
    this.scope = scope;
    this.offset = offset;
    this.rowStride = rowStride;
  }

  /** Returns the element type. */
  public DType type() {
    return type;
  }

  /** Returns the shape. */
  public Shape shape() {
    return shape;
  }

  /** Returns the number of rows: the product of all axes but the last. */
  public long rows() {
    return shape.rows();
  }

  /** Returns the extent of the last axis, whose elements are contiguous. */
  public long columns() {
    return shape.columns();
  }

  /** Returns the number of elements. */
  public long elements() {
    return shape.elements();
  }

  /** Returns the distance in elements between the starts of two rows. */
  public long rowStride() {
    return rowStride;
  }

  /** Returns the index of the first element in the storage. */
  public long offset() {
    return offset;
  }

  /** Returns whether the rows follow each other without gaps. */
  public boolean contiguous() {
    return rowStride == columns() || rows() <= 1;
  }

  /**
   * Returns the memory behind this view.
   *
   * @throws IllegalStateException if the scope that owns it has been closed
   */
  public Storage storage() {
    scope.checkOpen(this);
    return storage;
  }

  /**
   * Returns a view of some rows as a matrix.
   *
   * @param from first row
   * @param count number of rows
   */
  public Tensor rows(long from, long count) {
    Objects.checkFromIndexSize(from, count, rows());
    return new Tensor(
        type, Shape.of(count, columns()), storage, scope, offset + from * rowStride, rowStride);
  }

  /**
   * Returns a view of some columns as a matrix.
   *
   * @param from first column
   * @param count number of columns
   */
  public Tensor columns(long from, long count) {
    Objects.checkFromIndexSize(from, count, columns());
    return new Tensor(type, Shape.of(rows(), count), storage, scope, offset + from, rowStride);
  }

  /**
   * Returns the same elements under another shape.
   *
   * @param dims the new extents
   * @throws IllegalArgumentException if the number of elements differs, or rows with gaps between
   *     them would have to be merged
   */
  public Tensor reshape(long... dims) {
    Shape target = Shape.of(dims);
    if (target.elements() != elements()) {
      throw new IllegalArgumentException(
          "cannot reshape " + shape + " (" + elements() + " elements) to " + target);
    }
    if (contiguous()) {
      return new Tensor(type, target, storage, scope, offset, target.columns());
    }
    if (target.columns() != columns()) {
      throw new IllegalArgumentException(
          "cannot reshape the strided view " + this + " to " + target + ": keep the last axis");
    }
    return new Tensor(type, target, storage, scope, offset, rowStride);
  }

  @Override
  public String toString() {
    return type + shape.toString() + (contiguous() ? "" : " (row stride " + rowStride + ")");
  }
}
