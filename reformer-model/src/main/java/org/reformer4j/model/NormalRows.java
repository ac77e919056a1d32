package org.reformer4j.model;

import org.reformer4j.api.Backend;
import org.reformer4j.api.DType;
import org.reformer4j.api.Dropout;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;
import org.reformer4j.model.Pass.Block;

/**
 * The normalised input of a branch. A pass that takes all rows at once keeps it between branches,
 * so that a branch writes that of the next one while it has the stream at hand; otherwise each
 * block of rows is normalised when it is needed, and no more than one exists.
 */
final class NormalRows {
  private final Pass pass;
  private final Tensor buffer;
  private final Norm norm;
  private final Tensor input;

  private NormalRows(Pass pass, Tensor buffer, Norm norm, Tensor input) {
    this.pass = pass;
    this.buffer = buffer;
    this.norm = norm;
    this.input = input;
  }

  /** Returns the rows of the first branch that runs, which nobody has normalised for it. */
  static NormalRows first(Pass pass, TensorScope scope, Norm norm, Tensor input) {
    Tensor buffer = pass.block(scope, input.columns());
    if (pass.whole()) {
      norm.forward(pass.backend(), buffer, input);
    }
    return new NormalRows(pass, buffer, norm, input);
  }

  /** Returns the rows of the branch that runs next, in the same buffer. */
  NormalRows then(Norm norm, Tensor input) {
    return new NormalRows(pass, buffer, norm, input);
  }

  /** Returns the type of the rows. */
  DType type() {
    return buffer.type();
  }

  /** Returns the normalised rows of a block; valid until the next call. */
  Tensor of(Block block) {
    if (pass.whole()) {
      return buffer;
    }
    Tensor rows = buffer.rows(0, block.count());
    norm.forward(pass.backend(), rows, block.of(input));
    return rows;
  }

  /**
   * acc += sign * dropout(y + bias) for a block, in which {@link #of} is not needed any more.
   *
   * @param next norm of the branch that reads acc, or null for none
   * @param acc rows of the block
   * @param y rows of the block, before bias and dropout
   * @param bias [D] or null
   * @param sign +1 or -1
   * @param dropout of the block
   */
  void residual(Norm next, Tensor acc, Tensor y, Tensor bias, int sign, Dropout dropout) {
    Norm.residual(pass.backend(), pass.whole() ? next : null, buffer, acc, y, bias, sign, dropout);
  }

  /** Leaves the normalised rows of the next branch where {@link #residual} could not. */
  void leave(Norm next, Tensor acc) {
    if (next != null && pass.whole()) {
      next.forward(pass.backend(), buffer, acc);
    }
  }

  /** dInput += gradient of a block through the norm, and so the norm's parameters. */
  void backward(Tensor dInput, Tensor dNormal, Block block) {
    Backend backend = pass.backend();
    norm.backward(backend, block.of(dInput), dNormal, block.of(input));
  }
}
