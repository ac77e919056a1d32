package org.reformer4j.model;

import java.util.ArrayList;
import java.util.List;
import org.reformer4j.api.Tensor;
import org.reformer4j.api.TensorScope;

/**
 * The reversible residual layers: y1 = x1 + Attention(x2), y2 = x2 + FeedForward(y1), in place on
 * two streams. Activations of no layer are kept; the backward pass rebuilds them from the outputs.
 */
final class ReversibleStack {
  private static final String BACK = " on the way back";

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
   * Makes the layers of a config.
   *
   * @param config the model's
   * @param prefix what the names of their parameters begin with
   * @param parameters where they declare them
   */
  static ReversibleStack of(ReformerConfig config, String prefix, ParameterSet parameters) {
    List<Branch> branches = new ArrayList<>();
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      String name = prefix + layer;
      branches.add(new AttentionBranch(config, layer, name + ".attention.", parameters));
      branches.add(new FeedForwardBranch(config, layer, name + ".feed_forward.", parameters));
    }
    return new ReversibleStack(branches);
  }

  /**
   * Turns the inputs of the first layer into the outputs of the last.
   *
   * @param x1 [N, D], in place
   * @param x2 [N, D], in place
   */
  Branch.Saved[] forward(Tensor x1, Tensor x2, Pass pass) {
    Branch.Saved[] saved = new Branch.Saved[branches.size()];
    try (TensorScope scope = pass.backend().scope("stack")) {
      NormalRows normal = first(0, x1, x2, scope, pass);
      for (int i = 0; i < saved.length; i++) {
        if (i % 2 == 0) {
          pass.trace().layerInput(i / 2, x1, x2);
        }
        enter(i, "", pass);
        saved[i] = branches.get(i).forward(i % 2 == 0 ? x1 : x2, normal, norm(i + 1), pass);
        normal = normal.then(norm(i + 1), i % 2 == 0 ? x1 : x2);
      }
    } finally {
      pass.backend().place("");
    }
    pass.trace().layerInput(saved.length / 2, x1, x2);
    return saved;
  }

  /**
   * {@link #forward} for the tokens that a cache is adding to its sequences.
   *
   * @param x1 [N, D], in place
   * @param x2 [N, D], in place
   */
  void decode(Tensor x1, Tensor x2, PastAttention past, Pass pass) {
    try (TensorScope scope = pass.backend().scope("stack")) {
      NormalRows normal = first(0, x1, x2, scope, pass);
      for (int i = 0; i < branches.size(); i++) {
        enter(i, "", pass);
        branches.get(i).decode(i % 2 == 0 ? x1 : x2, normal, norm(i + 1), past, pass);
        normal = normal.then(norm(i + 1), i % 2 == 0 ? x1 : x2);
      }
    } finally {
      pass.backend().place("");
    }
  }

  /** Turns the outputs of the last layer back into the inputs of the first. */
  void inverse(Tensor x1, Tensor x2, Branch.Saved[] saved, Pass pass) {
    try (TensorScope scope = pass.backend().scope("stack")) {
      NormalRows normal = first(saved.length - 1, x1, x2, scope, pass);
      for (int i = saved.length - 1; i >= 0; i--) {
        enter(i, BACK, pass);
        branches.get(i).inverse(i % 2 == 0 ? x1 : x2, normal, norm(i - 1), saved[i], pass);
        normal = normal.then(norm(i - 1), i % 2 == 0 ? x1 : x2);
      }
    } finally {
      pass.backend().place("");
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
    try (TensorScope scope = pass.backend().scope("stack")) {
      NormalRows normal = first(saved.length - 1, x1, x2, scope, pass);
      for (int i = saved.length - 1; i >= 0; i--) {
        Branch branch = branches.get(i);
        enter(i, BACK, pass);
        if (i % 2 == 0) {
          branch.backward(x1, normal, norm(i - 1), dX1, dX2, saved[i], pass);
          pass.trace().rebuilt(i / 2, x1, x2, dX1, dX2);
        } else {
          branch.backward(x2, normal, norm(i - 1), dX2, dX1, saved[i], pass);
        }
        normal = normal.then(norm(i - 1), i % 2 == 0 ? x1 : x2);
      }
    } finally {
      pass.backend().place("");
    }
  }

  /** Tells the backend which branch comes, for its errors; layers count from 0 as in names. */
  private static void enter(int i, String direction, Pass pass) {
    String half = i % 2 == 0 ? ", attention" : ", feed-forward";
    pass.backend().place("layer " + i / 2 + half + direction);
  }

  /** Returns the normalised input of the branch that comes first. */
  private NormalRows first(int i, Tensor x1, Tensor x2, TensorScope scope, Pass pass) {
    return NormalRows.first(pass, scope, norm(i), i % 2 == 0 ? x2 : x1);
  }

  /** Returns the norm of a branch's input, null where there is no such branch. */
  private Norm norm(int i) {
    return i < 0 || i >= branches.size() ? null : branches.get(i).norm();
  }
}
