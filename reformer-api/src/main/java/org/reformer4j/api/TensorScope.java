package org.reformer4j.api;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;

/**
 * Owns every tensor it allocates; closing it frees them, children first. The only source of memory.
 *
 * <p>Not thread-safe: a scope belongs to the thread that uses its backend.
 */
public final class TensorScope implements AutoCloseable {
  /** What a scope needs of a backend; the accounting is the same for all of them. */
  public interface Allocator {
    /**
     * Allocates memory of unspecified content.
     *
     * @param type element type
     * @param elements how many
     * @param scope the scope that asks, for the error message
     * @throws OutOfDeviceMemoryException if it does not fit
     */
    Storage allocate(DType type, long elements, TensorScope scope);

    /**
     * Takes memory back.
     *
     * @param type element type
     * @param storage what {@link #allocate} returned
     */
    void free(DType type, Storage storage);
  }

  private record Block(DType type, Storage storage) {}

  private final String name;
  private final Allocator allocator;
  private final TensorScope parent;
  private final Deque<Block> blocks = new ArrayDeque<>();
  private final Deque<TensorScope> children = new ArrayDeque<>();
  private long liveBytes;
  private long peakBytes;
  private boolean closed;

  /**
   * Opens a root scope. Called by backends; everybody else calls {@link Memory#scope}.
   *
   * @param name shown in reports
   * @param allocator where memory comes from
   */
  public TensorScope(String name, Allocator allocator) {
    this(name, Objects.requireNonNull(allocator, "allocator"), null);
  }

  private TensorScope(String name, Allocator allocator, TensorScope parent) {
    this.name = Objects.requireNonNull(name, "name");
    this.allocator = allocator;
    this.parent = parent;
  }

  /**
   * Allocates a tensor of unspecified content.
   *
   * @param type element type
   * @param dims extents, outermost first
   * @return a contiguous tensor that lives as long as this scope
   * @throws OutOfDeviceMemoryException if it does not fit
   * @throws IllegalStateException if this scope has been closed
   */
  public Tensor allocate(DType type, long... dims) {
    if (closed) {
      throw new IllegalStateException("scope '" + path() + "' is closed: open a new one");
    }
    Shape shape = Shape.of(dims);
    Storage storage = allocator.allocate(type, shape.elements(), this);
    blocks.push(new Block(type, storage));
    account(shape.elements() * type.bytes());
    return new Tensor(type, shape, storage, this, 0, shape.columns());
  }

  /**
   * Opens a scope that ends with this one at the latest.
   *
   * @param childName shown in reports
   */
  public TensorScope child(String childName) {
    if (closed) {
      throw new IllegalStateException("scope '" + path() + "' is closed: open a new one");
    }
    TensorScope child = new TensorScope(childName, allocator, this);
    children.push(child);
    return child;
  }

  /** Returns the bytes held now by this scope and its children. */
  public long liveBytes() {
    return liveBytes;
  }

  /** Returns the most bytes ever held at once by this scope and its children. */
  public long peakBytes() {
    return peakBytes;
  }

  /** Returns the name with those of the enclosing scopes, such as {@code step/attention}. */
  public String path() {
    return parent == null ? name : parent.path() + "/" + name;
  }

  /** Frees the children's tensors, then this scope's own, in reverse order. Idempotent. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    while (!children.isEmpty()) {
      children.peek().close();
    }
    while (!blocks.isEmpty()) {
      Block block = blocks.pop();
      account(-block.storage().elements() * block.type().bytes());
      allocator.free(block.type(), block.storage());
    }
    closed = true;
    if (parent != null) {
      parent.children.remove(this);
    }
  }

  void checkOpen(Tensor tensor) {
    if (closed) {
      throw new IllegalStateException(
          "tensor "
              + tensor
              + " was freed with its scope '"
              + path()
              + "': allocate it in a scope that lives longer");
    }
  }

  private void account(long bytes) {
    for (TensorScope scope = this; scope != null; scope = scope.parent) {
      scope.liveBytes += bytes;
      scope.peakBytes = Math.max(scope.peakBytes, scope.liveBytes);
    }
  }
}
