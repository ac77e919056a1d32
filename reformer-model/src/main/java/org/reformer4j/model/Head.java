package org.reformer4j.model;

import org.reformer4j.api.Tensor;

/** Loss and its gradient from the final streams; built only from kernels. */
interface Head {
  /**
   * Returns the summed loss of all targets, without gradients.
   *
   * @param streams [N, 2D], both streams side by side
   * @param targets I32 [N]
   * @param pass the pass
   */
  double lossSum(Tensor streams, Tensor targets, Pass pass);

  /**
   * Returns the summed loss, overwrites dStreams with scale times its gradient, and adds scale
   * times the parameters'.
   *
   * @param dStreams [N, 2D]
   * @param streams [N, 2D]
   * @param targets I32 [N]
   * @param scale factor on the gradients, usually 1 / number of targets
   * @param pass the pass
   */
  double lossSumAndGradient(
      Tensor dStreams, Tensor streams, Tensor targets, float scale, Pass pass);
}
