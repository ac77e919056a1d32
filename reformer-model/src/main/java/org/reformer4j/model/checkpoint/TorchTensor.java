package org.reformer4j.model.checkpoint;

import java.util.Arrays;
import org.reformer4j.api.Shape;

/**
 * A tensor of a torch file: a view of a storage, as {@code torch.Tensor.as_strided} makes it.
 *
 * @param name name of the tensor
 * @param storage where the elements are; several tensors may share it
 * @param offset index of the first element in the storage
 * @param shape extents
 * @param strides distances of neighbours along each axis, in elements
 */
record TorchTensor(String name, Storage storage, long offset, Shape shape, long[] strides)
    implements StoredTensors.Entry {
  /** More axes than any tensor has. */
  private static final int MOST_AXES = 32;

  /**
   * A run of elements, in a file of its own inside the torch file.
   *
   * @param key its name there
   * @param type of the elements
   * @param elements how many
   */
  record Storage(String key, ElementType type, long elements) {}

  /**
   * A view that was not checked yet, as it stands in the pickle.
   *
   * @param storage where the elements are
   * @param offset index of the first element in the storage
   * @param size extents
   * @param strides distances of neighbours along each axis, in elements
   */
  record View(Storage storage, long offset, long[] size, long[] strides) {
    /**
     * Returns the tensor.
     *
     * @param name its name
     * @param mostBytes what a tensor of this file may take: a view can repeat elements, so that few
     *     bytes would ask for any amount of memory
     * @param problems receives what is wrong
     * @return null if something is
     */
    TorchTensor check(String name, long mostBytes, Problems problems) {
      String tensor = "tensor " + Problems.quote(name);
      if (size.length != strides.length || size.length > MOST_AXES) {
        problems.add(
            tensor + " has " + size.length + " extents and " + strides.length + " strides");
        return null;
      }
      long elements = 1;
      long last = offset;
      try {
        for (int axis = 0; axis < size.length; axis++) {
          elements = Math.multiplyExact(elements, size[axis]);
          long steps = Math.max(0, size[axis] - 1);
          last = Math.addExact(last, Math.multiplyExact(steps, strides[axis]));
        }
      } catch (ArithmeticException e) {
        last = Long.MAX_VALUE;
      }
      boolean negative = offset < 0;
      for (int axis = 0; axis < size.length; axis++) {
        negative |= size[axis] < 0 || strides[axis] < 0;
      }
      if (negative || elements > 0 && last >= storage.elements()) {
        problems.add(
            tensor
                + " with offset "
                + offset
                + ", size "
                + Arrays.toString(size)
                + " and strides "
                + Arrays.toString(strides)
                + " is not inside its storage of "
                + storage.elements()
                + " elements");
        return null;
      }
      if (elements > mostBytes / storage.type().bytes()) {
        problems.add(
            tensor
                + " of size "
                + Arrays.toString(size)
                + " repeats elements until they exceed the file: save a clone() of it");
        return null;
      }
      return new TorchTensor(name, storage, offset, Shape.of(size), strides);
    }
  }

  @Override
  public String dtype() {
    return storage.type().name();
  }

  /** Returns whether the elements stand in the storage row by row, without gaps. */
  boolean isContiguous() {
    long expected = 1;
    for (int axis = shape.rank() - 1; axis >= 0; axis--) {
      if (shape.dim(axis) != 1 && strides[axis] != expected) {
        return shape.elements() == 0;
      }
      expected *= shape.dim(axis);
    }
    return true;
  }

  /** Returns the number of elements of the storage from the first of the view to the last. */
  long span() {
    if (shape.elements() == 0) {
      return 0;
    }
    long span = 1;
    for (int axis = 0; axis < shape.rank(); axis++) {
      span += (shape.dim(axis) - 1) * strides[axis];
    }
    return span;
  }
}
