package org.reformer4j.kernels;

import org.reformer4j.api.FeedForwardSpec;
import org.reformer4j.api.Tensor;

/** The feed-forward of a device, as {@link org.reformer4j.api.Kernels} has it. */
interface FeedForwards {
  /** out = act(dropout(x W1^T + b1)) W2^T. */
  void feedForward(Tensor out, Tensor x, Tensor w1, Tensor b1, Tensor w2, FeedForwardSpec spec);

  /** Its gradient, with hidden values computed again, and the output where it is not null. */
  void feedForwardBackward(
      Tensor out,
      Tensor dX,
      Tensor dW1,
      Tensor dB1,
      Tensor dW2,
      Tensor dOut,
      Tensor x,
      Tensor w1,
      Tensor b1,
      Tensor w2,
      FeedForwardSpec spec);
}
