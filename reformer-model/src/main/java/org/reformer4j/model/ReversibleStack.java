package org.reformer4j.model;

import java.util.List;
import org.reformer4j.api.Tensor;

/**
 * The reversible residual layers: y1 = x1 + Attention(x2), y2 = x2 + FeedForward(y1), in place on
 * two streams. Activations of no layer are kept; the backward pass rebuilds them from the outputs.
 */
final class ReversibleStack {
  private final List<Branch> branches;

  /**
   * Makes a stack.
   *
   * @param branches attention and feed-forward branch of layer 0, of layer 1, ...
   */
  ReversibleStack(List<Branch> branches) {
    if (branches.size() % 2 != 0) {
      throw new IllegalArgumentException("a layer has two branches, got " + branches.size());
    }
    this.branches = List.copyOf(branches);
  }

  /**
   * Turns the inputs of the first layer into the outputs of the last.
   *
   * @param x1 [N, D], in place
   * @param x2 [N, D], in place
   */
  Branch.Saved[] forward(Tensor x1, Tensor x2, Pass pass) {
    Branch.Saved[] saved = new Branch.Saved[branches.size()];
    for (int i = 0; i < saved.length; i++) {
      if (i % 2 == 0) {
        pass.trace().layerInput(i / 2, x1, x2);
      }
      saved[i] = branches.get(i).forward(i % 2 == 0 ? x1 : x2, i % 2 == 0 ? x2 : x1, pass);
    }
    pass.trace().layerInput(saved.length / 2, x1, x2);
    return saved;
  }

  /** Turns the outputs of the last layer back into the inputs of the first. */
  void inverse(Tensor x1, Tensor x2, Branch.Saved[] saved, Pass pass) {
    for (int i = saved.length - 1; i >= 0; i--) {
      branches.get(i).inverse(i % 2 == 0 ? x1 : x2, i % 2 == 0 ? x2 : x1, saved[i], pass);
    }
  }

  /**
   * Rebuilds the inputs and turns the gradients of the outputs into those of the inputs.
   *
   * @param x1 [N, D], in place
   * @param x2 [N, D], in place
   * @param dX1 [N, D], in place
   * @param dX2 [N, D], in place
   */
  void backward(Tensor x1, Tensor x2, Tensor dX1, Tensor dX2, Branch.Saved[] saved, Pass pass) {
    for (int i = saved.length - 1; i >= 0; i--) {
      if (i % 2 == 0) {
        branches.get(i).backward(x1, x2, dX1, dX2, saved[i], pass);
        pass.trace().rebuilt(i / 2, x1, x2, dX1, dX2);
      } else {
        branches.get(i).backward(x2, x1, dX2, dX1, saved[i], pass);
      }
    }
  }
}
