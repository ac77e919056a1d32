package org.reformer4j.api;

import java.util.List;
import java.util.Objects;

/**
 * How token and position rows are added.
 *
 * <p>Position p takes row (p / stride(i)) % size(i) of table i, and the rows of all tables are
 * concatenated. Axial positions are several tables in row-major order; learned positions are one
 * table with stride 1.
 *
 * @param axes the position tables, in the order of their columns
 * @param tokenDropout of the token rows; element row*D + column
 * @param positionDropout of the position rows; element row*D + column, or (row / rowsPerSequence) *
 *     size + index on the last axis where there are several axes: whoever shares that index loses
 *     the whole position vector, per sequence (Hugging Face's AxialPositionEmbeddings)
 * @param rowsPerSequence T
 */
public record EmbeddingSpec(
    List<Axis> axes, Dropout tokenDropout, Dropout positionDropout, int rowsPerSequence) {
  /**
   * One position table.
   *
   * @param size rows of the table
   * @param width columns of the table
   * @param stride positions that share a row one after the other
   */
  public record Axis(int size, int width, int stride) {
    /** Checks the ranges. */
    public Axis {
      if (size < 1 || width < 1 || stride < 1) {
        throw new IllegalArgumentException(
            "size, width and stride of a position axis must be positive, got "
                + size
                + ", "
                + width
                + ", "
                + stride);
      }
    }

    /**
     * Returns the row that a position takes.
     *
     * @param position p
     */
    public int index(int position) {
      return position / stride % size;
    }
  }

  /** Checks that nothing is missing. */
  public EmbeddingSpec {
    axes = List.copyOf(axes);
    Objects.requireNonNull(tokenDropout, "tokenDropout");
    Objects.requireNonNull(positionDropout, "positionDropout");
    if (axes.isEmpty()) {
      throw new IllegalArgumentException("at least one position axis is needed");
    }
    if (rowsPerSequence < 1) {
      throw new IllegalArgumentException(
          "rowsPerSequence must be positive, got " + rowsPerSequence);
    }
  }

  /** Returns whether the columns of a position share one element of the mask. */
  public boolean sharesPositionDropout() {
    return axes.size() > 1;
  }

  /** Returns the number of positions that have a row. */
  public long positions() {
    return (long) axes.get(0).size() * axes.get(0).stride();
  }
}
